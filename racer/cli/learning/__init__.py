"""What `racer train` and `racer distill` do alike: showing where a run is, stopping it, and going on with it."""
