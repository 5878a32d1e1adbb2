"""Binary layers against the layers they are built on, with binary weights made in numpy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest

from whylight.graph.builder import GraphBuilder
from whylight.reading.nnp.functions import convert_function

Array = np.ndarray[Any, Any]

X = np.array([[-2.0, -1.0, -1e-30, 0.0], [1e-30, 0.5, 1.0, 3.0]], np.float32)
WEIGHT = np.array([[0.5, -2.0, 0.0], [-1.0, 3.0, 0.25], [0.0, 1.0, -4.0], [2.0, -0.5, 1.0]], np.float32)
BIAS = np.array([0.5, -1.0, 2.0], np.float32)
UNUSED = np.full((4, 3), np.nan, np.float32)


def computed(kind: str, arrays: Sequence[Array], arguments: dict[str, Any], *, constants: bool = True) -> Array:
    """The function's output; its parameters, constants or inputs, come after the input with its dynamic batch."""
    op = GraphBuilder()
    tensors = [op.input("x", ("N", *arrays[0].shape[1:]))]
    for index, array in enumerate(arrays[1:]):
        name = f"parameter{index}"
        tensors.append(op.initializer(name, array) if constants else op.input(name, array.shape))
    (output,) = convert_function(op, kind, tensors, arguments)
    assert output.shape[0] == "N"
    model = op.model([output], kind).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feeds = {info.name: array for info, array in zip(session.get_inputs(), arrays, strict=not constants)}
    result: Array = session.run(None, feeds)[0]
    return result


def signs(weight: Array, zero: float) -> Array:
    return np.where(weight > 0, 1, np.where(weight < 0, -1, zero)).astype(np.float32)


def test_binary_activations_step_just_above_zero() -> None:
    np.testing.assert_array_equal(computed("BinarySigmoid", [X], {}), [[0, 0, 0, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(computed("BinaryTanh", [X], {}), [[-1, -1, -1, -1], [1, 1, 1, 1]])


@pytest.mark.parametrize("zero", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("constants", [True, False])
def test_affine_weights_are_signs_and_stored_binaries_are_not_read(zero: float, constants: bool) -> None:
    binary, arguments = signs(WEIGHT, zero), {"base_axis": 1, "quantize_zero_to": zero}
    connect = computed("BinaryConnectAffine", [X, WEIGHT, UNUSED, BIAS], arguments, constants=constants)
    np.testing.assert_allclose(connect, X @ binary + BIAS, 1e-5)
    scaled = computed("BinaryWeightAffine", [X, WEIGHT, UNUSED, UNUSED[0], BIAS], arguments, constants=constants)
    np.testing.assert_allclose(scaled, X @ (binary * np.abs(WEIGHT).mean(0)) + BIAS, 1e-5)


def test_convolution_weights_are_signs_scaled_for_each_output() -> None:
    x, weight = X.reshape(2, 2, 2, 1), WEIGHT.reshape(3, 2, 2, 1)
    arguments = {"base_axis": 1, "pad": (), "stride": (), "dilation": (), "group": 1, "quantize_zero_to": 1.0}
    expected = np.einsum("nchw,ochw->no", x, signs(weight, 1.0)).reshape(2, 3, 1, 1)
    connect = computed("BinaryConnectConvolution", [x, weight, UNUSED], arguments)
    np.testing.assert_allclose(connect, expected, 1e-5)
    scaled = computed("BinaryWeightConvolution", [x, weight, UNUSED, UNUSED[0], BIAS], arguments)
    alpha = np.abs(weight).mean((1, 2, 3))
    np.testing.assert_allclose(scaled[..., 0, 0], expected[..., 0, 0] * alpha + BIAS, 1e-5)
