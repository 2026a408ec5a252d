"""Translations once they are made: kept on disk, compiled, and behind the seam.

cache           translations and verdicts on disk
kernel          what numba makes of a translation
compiled_path   the reward behind the seam: runs the kernel, makes trapped calls in plain Python
"""
