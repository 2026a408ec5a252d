"""DeepRacer's world: model folders come in as configurations, simtrace logs go out."""
