"""`python -m racer.plant.leash MODULE ...`: runs a module until its standard input ends, then sends it SIGTERM.

On a real car systemd runs the actuator, whatever becomes of a pilot. In front of the simulator nobody would
end it when the program that started it is killed; its standard input ends then.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Hold on to standard input in a thread, and run the module in this one."""
    module, sys.argv = sys.argv[1], sys.argv[1:]
    threading.Thread(target=_wait_for_parent, name="leash", daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _wait_for_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
