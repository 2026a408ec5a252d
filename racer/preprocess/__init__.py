"""Pure numpy between sensor and network; the same code in simulator, race and car."""

from racer.preprocess.observation import prepare

__all__ = ["prepare"]
