"""The camera of every car, drawn without a GPU.

camera            frames of a world
rows              what a camera and the visible world are, as rows of numbers
scene             the shapes of tracks as a camera draws them
draw              one frame: ground, then the objects on it, then the pixels
ground, road      the ground, and what is painted on it
things, solids    boxes, cars and walls in their order, and one of them painted
lens, trace       from the world to the picture, and lines in it
fill              how much of a pixel a polygon covers
"""
