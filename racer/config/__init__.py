"""Configuration models: training, distillation, environment, vehicle, disturbances, action spaces and race rules.

In: YAML files, `--set key=value` options and command-line options. Out: frozen pydantic models, or one line that
names the file, the key, the given value and what is allowed. `racer.config.read` reads files, `racer.config.reference`
writes the page of all keys, the other modules hold one model each with its parts.
"""

from racer.lazy import lazy_attributes

_MODULES = {"Rules": "rules", "TrainConfig": "train", "read_rules": "rules", "read_train": "read"}
__all__ = ["Rules", "TrainConfig", "read_rules", "read_train"]
__getattr__ = lazy_attributes(__name__, _MODULES)
