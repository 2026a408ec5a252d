"""A bundle's network on a car: as everywhere else, but on as many threads as the bench found best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.bundle import Bundle
from racer.policy.onnx import open_session
from racer.preprocess import Preprocessor


class CarNetwork:
    """Preprocessing and network of one car.

    Raises:
        BundleError: the graph keeps data in other files, cannot be run, or is not the contract's.
        MissingExtra: onnxruntime is not installed.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        self.contract = bundle.contract
        self.threads = threads
        self._session = open_session(bundle.onnx, bundle.contract, source=f"Bundle {bundle.name}", threads=threads)
        self._action_only = [bundle.contract.onnx.outputs[0]]
        self._preprocess = Preprocessor.of(bundle.contract)

    def act(self, observation: Mapping[str, NDArray[Any]], /) -> NDArray[np.float32]:
        """(B, 2) degrees and m/s; where frames are stacked, each call is one more frame."""
        actions: NDArray[np.float32] = self._session.run(self._action_only, self._preprocess(observation))[0]
        return actions

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Forget the frames that were seen."""
        self._preprocess.reset(mask)
