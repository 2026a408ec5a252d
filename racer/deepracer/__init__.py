"""Reads and writes the file formats of AWS DeepRacer.

In: model folders (`project`, `metadata`, `hyperparameters`, `job`), which `importing` turns into configurations that
`racer train` runs. Out: simtrace logs and metrics (`logs`, `trace`, `metrics`) for the community's analysis tools.
"""
