"""Pure numpy between sensor and network; the same code in simulator, race and car."""

from racer.preprocess.observation import Preprocessor, prepare, prepare_drive

__all__ = ["Preprocessor", "prepare", "prepare_drive"]
