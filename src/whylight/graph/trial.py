"""Trial runs of graphs that strangers made: bounded in time and in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime

from whylight.errors import WhylightError
from whylight.files.budget import SECONDS, budget, readable

Array = np.ndarray[Any, Any]

_SAME_AS_REQUESTED = 1
"""How the arena grows: by what is asked for, rather than by powers of two."""
_WHAT_THE_RUNTIME_CHOOSES = -1
_BYTES_A_SECOND = 2**21
_LEAST = 2**20
"""Bytes of an arena; none would mean any number."""
_REGISTERING = threading.Lock()
"""A session takes the arena that was registered last."""


class Deadline:
    """When all trial runs of one model have to be at their end."""

    def __init__(self, stored: int, seconds: float = SECONDS / 2) -> None:
        """Count from now.

        Args:
            stored: bytes of the model's weights: a large one may take longer, on a busy machine too.
            seconds: that a small one may take.
        """
        self.seconds = seconds + stored / _BYTES_A_SECOND
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds."""
        return max(self._end - time.monotonic(), 0.0)


class Trial:
    """A session whose tensors have a bounded amount of memory, and whose runs end."""

    def __init__(self, model: bytes, deadline: Deadline, stored: int, beside: int = 0) -> None:
        """Load a model.

        Args:
            model: the content of an ONNX file.
            deadline: of its runs.
            stored: bytes of weights, which are not counted as memory that the model asks for.
            beside: bytes of what lies beside it meanwhile: images, and what others made of them.

        Raises:
            Exception: ONNX Runtime's own, where it cannot load it.
        """
        self._deadline = deadline
        self._most = max(budget() + 2 * stored - beside, _LEAST)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        # a few images: to optimize the graph would take longer than to run it
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        with bounded_memory(options, self._most):
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs: Mapping[str, Any] = {info.name: info for info in self._session.get_inputs()}
        self.outputs: Mapping[str, str] = {info.name: info.type for info in self._session.get_outputs()}

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        """The outputs of these names.

        Raises:
            WhylightError: it did not end in time, or wants more memory than it may have.
            Exception: ONNX Runtime's own, where it stops otherwise.
        """
        with ending_after(self._deadline.left()) as options:
            try:
                return list(self._session.run(list(outputs), dict(feeds), options))
            except Exception as error:
                if options.terminate:
                    took = f"{self._deadline.seconds:.0f} seconds"
                    raise WhylightError(f"it did not end within {took}: refused") from error
                if "Available memory of" in str(error):
                    raise WhylightError(f"it wants more than {readable(self._most)} of memory: refused") from error
                raise


@contextmanager
def ending_after(seconds: float) -> Iterator[Any]:
    """Options for a run within it: after so many seconds it is stopped, and their ``terminate`` is set."""
    options = onnxruntime.RunOptions()
    timer = threading.Timer(seconds, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()


@contextmanager
def bounded_memory(options: Any, most: int) -> Iterator[None]:
    """Within it a session is opened with these options: its tensors get so many bytes in all, in its runs too."""
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("optimization.constant_folding_max_output_size_in_bytes", str(most // 8))
    with _REGISTERING:
        onnxruntime.create_and_register_allocator(_memory(), _arena(most))
        yield


def _memory() -> Any:
    return onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )


def _arena(most: int) -> Any:
    return onnxruntime.OrtArenaCfg(
        {
            "max_mem": most,
            "arena_extend_strategy": _SAME_AS_REQUESTED,
            "initial_chunk_size_bytes": _WHAT_THE_RUNTIME_CHOOSES,
            "max_dead_bytes_per_chunk": _WHAT_THE_RUNTIME_CHOOSES,
        }
    )
