"""One nnabla function as an ONNX Runtime session, for tests that compare it with numpy."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime

from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Shape
from whylight.reading.nnp.functions import convert_function

Array = np.ndarray[Any, Any]


def converted(kind: str, shapes: Sequence[Shape], **arguments: Any) -> Callable[..., list[Array]]:
    """The function on inputs of these shapes ("N" for the batch axis), from input arrays to output arrays."""
    op = GraphBuilder()
    inputs = [op.input(f"x{index}", shape) for index, shape in enumerate(shapes)]
    outputs = [op.Identity(output) for output in convert_function(op, kind, inputs, arguments)]
    model = op.model(outputs, kind)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in inputs]

    def run(*arrays: Array) -> list[Array]:
        feeds = {name: np.asarray(array, np.float32) for name, array in zip(names, arrays, strict=True)}
        results = [np.asarray(result) for result in session.run(None, feeds)]
        for output, result in zip(outputs, results, strict=True):
            known = [
                size if extent is None or extent == "N" else extent
                for extent, size in zip(output.shape, result.shape, strict=True)
            ]
            assert result.shape == tuple(known)
            assert result.dtype == np.float32
        return results

    return run


def assert_computes(reference: Callable[..., Any], kind: str, *arrays: Array, **arguments: Any) -> None:
    """The function equals ``reference``, computed in double precision, for the whole batch and for its first half."""
    run = converted(kind, [("N", *array.shape[1:]) for array in arrays], **arguments)
    for size in (len(arrays[0]), (len(arrays[0]) + 1) // 2):
        batch = [np.asarray(array[:size], np.float32) for array in arrays]
        (actual,) = run(*batch)
        expected = np.asarray(reference(*(array.astype(np.float64) for array in batch)))
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, 1e-4, 1e-5)
