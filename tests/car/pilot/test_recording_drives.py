"""Which drives are recorded: one from arming until the car rested; disks that hang or fail hold nobody up."""

import threading

from racer.car.pilot.recording import REST_NS, DriveRecordings
from racer.car.recording.drive_file import DriveHeader
from racer.car.recording.reader import read_drive
from support.car_processes import wait_for
from support.recorded_drives import FakeDisk


class Bench:
    """Drives into memory."""

    def __init__(self, **options):
        self.header, self.disks, self.told = DriveHeader(car_id="a"), [], []
        self.drives = DriveRecordings(options.pop("folder", "here"), warn=self.told.append,
                             open_storage=options.pop("open_storage", self.open))  # fmt: skip

    def open(self, folder):
        """A new disk each."""
        self.disks.append(FakeDisk())
        return self.disks[-1]

    def begin(self, now):
        """Arm, and wait for the file."""
        self.drives.begin(self.header, now)
        wait_for(lambda: self.drives.recorder)


def test_a_drive_goes_on_after_a_pause_and_ends_after_a_rest(tmp_path):
    """Rest for a little less than the limit: the same drive. For longer: another file."""
    bench = Bench()
    bench.begin(1)
    bench.drives.update(moving=False, now_ns=10)
    bench.drives.update(moving=False, now_ns=REST_NS + 9)
    bench.begin(REST_NS + 9)
    assert len(bench.disks) == 1
    bench.drives.update(moving=True, now_ns=REST_NS + 10)
    bench.drives.update(moving=False, now_ns=REST_NS + 20)
    bench.drives.update(moving=False, now_ns=2 * REST_NS + 20)
    assert bench.drives.recorder is None and bench.drives.path() is None
    assert "fake.mcap" in bench.drives.summary()
    bench.begin(3 * REST_NS)
    bench.drives.close()
    wait_for(lambda: all(disk.closed for disk in bench.disks))
    assert len(bench.disks) == 2
    assert bench.disks[1].drive(tmp_path).header.started_ns == 3 * REST_NS


def test_another_model_is_another_drive():
    """Change the header within the pause: a new file."""
    bench = Bench()
    bench.begin(1)
    first = bench.drives.recorder
    bench.header = DriveHeader(car_id="a", model="new")
    bench.drives.begin(bench.header, 2)
    wait_for(lambda: bench.drives.recorder not in (None, first))
    bench.drives.close()
    assert len(bench.disks) == 2


def test_hanging_disk_does_not_hold_arming_up():
    """The file takes for ever to open: begin comes back, nothing is recorded, nor tried twice."""
    hang = threading.Event()
    tries = []

    def open_storage(folder):
        tries.append(folder)
        hang.wait(20.0)
        return FakeDisk()

    bench = Bench(open_storage=open_storage)
    bench.drives.begin(bench.header, 1)
    bench.drives.begin(bench.header, 2)
    bench.drives.measured(3, 1.0, 0.0)
    assert bench.drives.recorder is None and bench.drives.summary() == ""
    hang.set()
    bench.drives.close()
    assert len(tries) == 1


def test_folder_that_cannot_be_written_to_is_told(tmp_path):
    """A file where the folder should be: one line, and the words say why."""
    (tmp_path / "drives").write_text("in the way")
    told = []
    drives = DriveRecordings(tmp_path / "drives", warn=told.append)
    drives.begin(DriveHeader(), 1)
    wait_for(lambda: told)
    wait_for(lambda: drives.recorder)
    assert drives.summary().startswith("not recorded: cannot write")
    drives.close()
    assert len(told) == 1


def test_without_a_folder_nothing_is_recorded():
    """--no-record: no thread, no words."""
    bench = Bench(folder=None)
    bench.drives.begin(bench.header, 1)
    bench.drives.update(moving=True, now_ns=2)
    bench.drives.close()
    assert bench.disks == [] and bench.drives.summary() == "" and bench.drives.recorder is None


def test_what_is_measured_is_recorded(tmp_path):
    """From arming on; before there is nobody to tell."""
    drives = DriveRecordings(tmp_path, warn=lambda words: None)
    drives.measured(1, 9.0, 9.0)
    drives.begin(DriveHeader(), 2)
    wait_for(lambda: drives.recorder)
    drives.measured(3, 1.5, -0.5)
    drives.close()
    rows = read_drive(next(tmp_path.glob("*.mcap"))).measured
    assert [(int(row["at_ns"]), float(row["speed"]), float(row["yaw_rate"])) for row in rows] == [(3, 1.5, -0.5)]
