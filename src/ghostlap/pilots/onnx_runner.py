"""Running networks in ONNX Runtime, within bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import PilotError
from ghostlap.pilots.onnx_check import Network, short

if TYPE_CHECKING:
    import onnxruntime


class Runner:
    """A network in ONNX Runtime.

    Args:
        threads: threads of one run; one is fastest for single pictures.
        outputs: names of the outputs wanted; by default the first alone.

    Raises:
        PilotError: ONNX Runtime refuses the network.
    """

    def __init__(self, network: Network, threads: int, *outputs: str) -> None:
        # The network itself is not kept: its bytes are ONNX Runtime's from here on.
        self._where, self._input, self._at_once = network.where, network.input, network.at_once
        self._outputs = list(outputs) or [next(iter(network.outputs))]
        try:
            self._session = _session(network.data, threads)
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise PilotError(
                f"{network.where}: cannot be read ({type(error).__name__}: {short(error)}). "
                "Copy the whole run folder again, or train anew."
            ) from error

    def run(self, pictures: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The outputs for pictures ``(n, height, width, channels)``, n at least 1.

        Only so many pictures are shown at once as fit into bounded memory.

        Raises:
            PilotError: the network fails on them.
        """
        at_once = self._at_once
        try:
            parts = [
                self._session.run(self._outputs, {self._input: pictures[begin : begin + at_once]})
                for begin in range(0, len(pictures), at_once)
            ]
        except Exception as error:  # as above
            raise PilotError(
                f"{self._where}: fails on a picture ({type(error).__name__}: "
                f"{short(error)}). Train or export it anew."
            ) from error
        return [np.concatenate(answers) for answers in zip(*parts, strict=True)]


def _session(data: bytes, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    # Otherwise bytes that are both would be read in ONNX Runtime's own format, unchecked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
