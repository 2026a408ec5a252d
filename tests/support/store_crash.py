"""Kills an installing process at each thing that the store does to the disk, or lets the disk be full there (M2).

Forks, so it runs in a process of its own without threads. Prints one line of JSON: what was left after each failpoint.
"""

import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from racer.car.models.disk import Disk
from racer.car.models.parity import Parity
from racer.car.models.store import ModelStore
from racer.errors import RacerError


def parity(path):
    """The check is not what is tested here."""
    return Parity(16, 0.0, 0.1)


class FailingDisk(Disk):
    """Fails at its n-th operation: `kill` dies before it (a write after a half), `full` raises ENOSPC from then on."""

    def __init__(self, at, how):
        self.left, self.how = at, how

    def _step(self):
        self.left -= 1
        if self.left == 0 and self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.left <= 0 and self.how == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def make_folder(self, path):
        """One of the failing operations."""
        self._step()
        super().make_folder(path)

    def write_part(self, handle, data):
        """Half of the data is on the disk when it fails."""
        if self.left == 1:
            os.write(handle, data[: len(data) // 2])
        self._step()
        return super().write_part(handle, data)

    def flush(self, handle):
        """One of the failing operations."""
        self._step()
        super().flush(handle)

    def rename(self, old, new):
        """One of the failing operations."""
        self._step()
        super().rename(old, new)

    def link(self, path, target):
        """One of the failing operations."""
        self._step()
        super().link(path, target)

    def remove(self, path):
        """A full disk can still delete."""
        if self.how == "kill":
            self._step()
        super().remove(path)


def install(root, disk, bundle):
    """What is killed: a second bundle is installed and put to use."""
    store = ModelStore(root, check=parity, disk=disk)
    store.use(store.install(bundle).sha256)


def seen(root):
    """What a process that starts afterwards finds, and whether it can go on."""
    store = ModelStore(root, check=parity)
    found = {"current": store.current, "cards": [card.sha256 for card in store.cards()]}
    store.verified(store.current)
    return found


def after_failure(template, root, at, how, bundle):
    """Run into one failpoint in a child; None where there are fewer operations than that."""
    shutil.copytree(template, root, symlinks=True)
    child = os.fork()
    if child == 0:
        code = 0
        try:
            install(root, FailingDisk(at, how), bundle)
        except OSError as error:
            code = 1 if error.errno == errno.ENOSPC else 2
        except RacerError:
            code = 3
        os._exit(code)
    status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return None
    found = seen(root) | {"code": code, "at": at, "how": how}
    install(root, Disk(), bundle)
    left = [path.name for path in (*root.glob(".fresh*"), *(root / "models").glob(".fresh*"))]
    return found | {"again": ModelStore(root).current, "left": left, "back": ModelStore(root).previous}


def main(folder, old, new):
    """All failpoints of both kinds."""
    template = folder / "template"
    install(template, Disk(), old)
    told = []
    for how in ("kill", "full"):
        at = 1
        while (row := after_failure(template, folder / f"{how}{at}", at, how, new)) is not None:
            told.append(row)
            at += 1
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*(Path(one) for one in sys.argv[1:]))
