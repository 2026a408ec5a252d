"""Reads and writes the file formats of AWS DeepRacer.

In: model folders (`project`, `metadata`, `hyperparameters`, `job`), which `importing` turns into configurations that
`racer train` runs. Out: simtrace logs and metrics (`logs`, `trace`, `metrics`) for the community's analysis tools.
"""

from racer.lazy import lazy_attributes

_MODULES = {"EpisodeLog": "logs", "import_project": "importing", "write_evaluation": "logs"}
__all__ = ["EpisodeLog", "import_project", "write_evaluation"]
__getattr__ = lazy_attributes(__name__, _MODULES)
