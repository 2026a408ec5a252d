"""Records drives as MCAP files without delaying the pilot, and reads them without trusting them.

`recorder` receives control steps, statuses and frames in the pilot's thread; `writer` packs them by `schema` in its
own thread, and `drive_file` stores them. `reader` reads a drive of any version (`mcap_reader`, `legacy`), and
`summary` describes a drive as text and checks that this build would send the same pulses.
"""

from racer.lazy import lazy_attributes

_MODULES = {"DriveRecorder": "recorder", "RecordedDrive": "reader", "drive_summary": "summary", "read_drive": "reader"}
__getattr__ = lazy_attributes(__name__, _MODULES)

__all__ = ["DriveRecorder", "RecordedDrive", "drive_summary", "read_drive"]
