"""Pictures for people, from above: tracks, cars, boxes and driven paths.

Tracks and poses in metres come in, images (H, W, 3) of sRGB bytes go out. `topdown` draws, `shapes` has the plan of a
car, `raster` fills polygons with exact coverage.
"""
