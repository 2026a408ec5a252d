"""Configuration models: training, distillation, environment, vehicle, disturbances, action spaces and race rules.

In: YAML files, `--set key=value` options and command-line options. Out: frozen pydantic models, or one line that
names the file, the key, the given value and what is allowed. `racer.config.read` reads files, `racer.config.reference`
writes the page of all keys, the other modules hold one model each with its parts.
"""
