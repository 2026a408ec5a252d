"""What stands in for a race in the process of a guarded race; the request names one as `support.race_drivers:NAME`."""

import errno
import os
import threading


def second_hangs(request, watch):
    """The second model never answers."""
    watch.start(0)
    watch.stop(0)
    watch.start(1)
    threading.Event().wait()


def both_slow(request, watch):
    """Many short answers: the first model takes the most, and rests when the limit is looked at."""
    watch._rows[:, 1] = (50.0, 2.0)
    watch.start(1)
    threading.Event().wait()


def second_dies(request, watch):
    """The process ends while the second model is asked."""
    watch.start(1)
    os._exit(7)


def full_disk(request, watch):
    """Something cannot be written."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "there/a.replay")


def no_onnxruntime(request, watch):
    """A package is not installed."""
    raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")


def dies_alone(request, watch):
    """The process ends with an error of its own."""
    raise ArithmeticError("out of luck")
