"""ONNX Runtime sessions: on which device a graph runs, and what its errors mean."""

import warnings
from pathlib import Path
from typing import Any

import onnxruntime

from whylight.contract import name_of
from whylight.errors import OutOfMemoryError, WhylightError, WhylightWarning
from whylight.graph.trial import bounded_memory
from whylight.options import PROVIDERS


def write_optimized(graph: bytes, path: Path, weights: str | None) -> None:
    """Write an explainer graph as ONNX Runtime optimizes it for any processor: it loads faster, and computes the same.

    Args:
        graph: the content of an ONNX file.
        path: the file to write.
        weights: the name of a file beside it for the weights; None keeps them in it.

    Raises:
        WhylightError: it is not a graph that ONNX Runtime can load.
    """
    options = _session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    if weights:
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", weights)
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    open_session(graph, "cpu", options=options)


def open_session(
    graph: bytes | Path, device: str, threads: int | None = None, options: Any = None, memory: int | None = None
) -> tuple[Any, str]:
    """A session on a device, or, with a warning, on the processor; and the device it is on.

    Args:
        graph: an ONNX file's content, or its path.
        device: one of `whylight.options.DEVICES`.
        threads: that it may use for one run; by default one a core.
        options: of ONNX Runtime, in place of the usual ones.
        memory: bytes that its tensors may take on the processor, with those of all its runs; by default any number.

    Raises:
        WhylightError: ONNX Runtime cannot load the graph.
    """
    if options is None:
        options = _session_options()
        options.intra_op_num_threads = threads or 0
    if memory is None:
        return _opened(graph, device, options)
    with bounded_memory(options, memory):
        return _opened(graph, device, options)


def _opened(graph: bytes | Path, device: str, options: Any) -> tuple[Any, str]:
    installed = onnxruntime.get_available_providers()
    wanted = [device] if device != "auto" else [name for name, provider in PROVIDERS.items() if provider in installed]
    for name in dict.fromkeys([*wanted, "cpu"]):
        if PROVIDERS[name] not in installed:
            warnings.warn(
                f"device '{name}': the installed ONNX Runtime has no {PROVIDERS[name]}, the processor is used",
                WhylightWarning,
                stacklevel=5,
            )
            continue
        providers = dict.fromkeys([PROVIDERS[name], PROVIDERS["cpu"]])
        try:
            session = onnxruntime.InferenceSession(
                str(graph) if isinstance(graph, Path) else graph, options, providers=list(providers)
            )
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            if name == "cpu":
                raise WhylightError(f"{name_of(graph)}: ONNX Runtime cannot load it: {_first_line(error)}") from error
            reason = _first_line(error)
        else:
            if session.get_providers()[0] == PROVIDERS[name]:
                return session, name
            reason = f"{PROVIDERS[name]} did not start"
        warnings.warn(f"device '{name}': {reason}, the processor is used", WhylightWarning, stacklevel=5)
    raise WhylightError("the installed ONNX Runtime has no CPUExecutionProvider: pip install onnxruntime")


def _session_options() -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it would say of an error is in what it raises
    options.add_session_config_entry("session.load_model_format", "ONNX")  # content may look like another format too
    return options


def session_error(error: Exception, name: str) -> WhylightError:
    """What ONNX Runtime raised when it ran, as an error of whylight; ``name`` says what of."""
    kind = OutOfMemoryError if _is_out_of_memory(error) else WhylightError
    return kind(f"{name}: ONNX Runtime stopped: {_first_line(error)}")


def _is_out_of_memory(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in said for sign in ("out of memory", "allocat", "bad_alloc"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
