"""Preprocessing between sensors and network, in numpy; the same code runs in simulator, race and car.

In: observations by sensor name, (B, *shape), and a contract. Out: the network's inputs, checked, with pictures
converted, cropped, resized and stacked as the contract lists.
"""

from racer.preprocess.observation import Preprocessor, prepare, prepare_drive

__all__ = ["Preprocessor", "prepare", "prepare_drive"]
