"""Runs the network of a bundle as a policy, with onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.bundle import Bundle
from racer.contract import PolicyContract
from racer.errors import BundleError, MissingExtra
from racer.preprocess import Preprocessor
from racer.untrusted_files import check_no_external_data

if TYPE_CHECKING:
    import onnxruntime

_ONNX_TYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)"}


def open_session(
    onnx: bytes, contract: PolicyContract, *, source: str, threads: int = 1
) -> onnxruntime.InferenceSession:
    """Open an onnxruntime session whose threads do not spin while they wait.

    A policy is so small that a second thread mostly costs more than it gains, and spinning would take a core from the
    car.

    Args:
        onnx: bytes of the graph.
        contract: contract that the graph's inputs and outputs must fit.
        source: name of the bundle for messages.
        threads: threads of one run of the graph.

    Raises:
        MissingExtra: onnxruntime is not installed.
        BundleError: the graph keeps data in other files, cannot be run, or is not the contract's.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        raise MissingExtra("Running an ONNX policy", "car") from None
    check_no_external_data(onnx, source=source)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # fatal only: errors raise, and warnings would go to the terminal of a race
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class but Exception
        raise BundleError(f"{source}: onnxruntime cannot run the graph: {_one_line(error)}") from None
    _check_outside(session, contract, source)
    return session


class OnnxPolicy:
    """Policy of a bundle; the same in simulator, race and car.

    Args:
        bundle: Bundle whose graph runs.
        threads: Number of threads of the graph.

    Raises:
        BundleError: The graph keeps data in other files, cannot be run, or does not match the contract.
        MissingExtra: onnxruntime is not installed.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        self.name = bundle.name
        self.contract = bundle.contract
        self.sensors = bundle.contract.sensors
        self.control_rate_hz: float | None = bundle.contract.control_rate_hz
        self._session = open_session(bundle.onnx, bundle.contract, source=f"Bundle {bundle.name}", threads=threads)
        self._action_only = [bundle.contract.onnx.outputs[0]]
        self._preprocess = Preprocessor.of(bundle.contract)

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """Return steering angles [degrees] and speeds [m/s], shape (B, 2), float32.

        Where frames are stacked, each call is one more frame of every car.

        Raises:
            BundleError: the observation does not fit the contract.
        """
        actions: NDArray[np.float32] = self._session.run(self._action_only, self._preprocess(observation))[0]
        return actions

    def outputs(self, observation: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Run `act` and return all outputs of the graph by name: `action`, and `logits` (B, A) or `mean` (B, 2)."""
        values = self._session.run(None, self._preprocess(observation))
        return dict(zip(self.contract.onnx.outputs, values, strict=True))

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Forget the stacked frames of the cars in `mask` (B,); None: of all cars."""
        self._preprocess.reset(mask)


def _check_outside(session: onnxruntime.InferenceSession, contract: PolicyContract, source: str) -> None:
    inputs = {each.name: each for each in session.get_inputs()}
    if tuple(inputs) != contract.onnx.inputs:
        raise BundleError(f"{source}: the graph takes {', '.join(inputs)}, its contract says {contract.onnx.inputs}")
    for sensor in contract.inputs:
        given = inputs[sensor.name]
        if given.type != _ONNX_TYPES[sensor.dtype] or tuple(given.shape[1:]) != sensor.shape:
            raise BundleError(
                f"{source}: the graph takes `{sensor.name}` as {given.type} {given.shape}, "
                f"its contract says {sensor.dtype} [B, {', '.join(map(str, sensor.shape))}]"
            )
    # The order counts: results are paired with the contract's names by position.
    outputs = tuple(each.name for each in session.get_outputs())
    if outputs != contract.onnx.outputs:
        raise BundleError(f"{source}: the graph gives {outputs}, its contract says {contract.onnx.outputs}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
