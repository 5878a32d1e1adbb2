"""Names, parameters, the batch axis, and networks that cannot be converted."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from reading.nnp.networks import function, network, small_classifier, variable, write_nnp
from samples import DATA
from whylight.errors import WhylightError, WhylightWarning
from whylight.graph.inference import OPSET
from whylight.reading.nnp import to_onnx


def test_the_model_is_valid_and_keeps_the_names(tmp_path: Path) -> None:
    model = to_onnx(small_classifier(tmp_path / "m.nnp"))
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == OPSET >= 18
    assert {tensor.name for tensor in model.graph.initializer} >= {"conv/W", "conv/b", "affine/b"}
    assert {"features", "active", "scores"} <= {name for node in model.graph.node for name in node.output}
    assert [extent.dim_param or extent.dim_value for extent in model.graph.input[0].type.tensor_type.shape.dim] == [
        "N",
        1,
        8,
        8,
    ]


@pytest.mark.parametrize("name", ["resnet", "senet", "vgg"])
def test_a_real_network_gives_the_same_for_every_batch_size(name: str) -> None:
    model = to_onnx(DATA / "archs" / f"{name}.nnp")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    assert shape[0] == "N"
    x = np.random.default_rng(0).random((7, *shape[1:]), np.float32)
    one_by_one = np.concatenate([session.run(None, {"x": x[i : i + 1]})[0] for i in range(7)])
    for batch in (1, 2, 7):
        np.testing.assert_allclose(session.run(None, {"x": x[:batch]})[0], one_by_one[:batch], atol=1e-6)


@pytest.mark.parametrize("saved", [1, 4])
def test_a_batch_size_baked_into_the_file_becomes_free(tmp_path: Path, saved: int) -> None:
    # squeeze and excitation, saved with a fixed batch: mean over the image, reshaped to scale the channels
    text = network(
        variable("x", (saved, 3, 4, 4)),
        variable("mean", (saved, 3)),
        variable("weights", (saved, 3, 1, 1)),
        variable("y", (saved, 3, 4, 4)),
        function("Mean", ["x"], ["mean"], "mean_param { axes: 2 axes: 3 }"),
        function(
            "Reshape", ["mean"], ["weights"], f"reshape_param {{ shape {{ dim: {saved} dim: 3 dim: 1 dim: 1 }} }}"
        ),
        function("Mul2", ["x", "weights"], ["y"]),
    )
    model = to_onnx(write_nnp(tmp_path / "m.nnp", text))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in (1, 2, 7):
        x = np.random.default_rng(0).random((batch, 3, 4, 4), np.float32)
        np.testing.assert_allclose(session.run(None, {"x": x})[0], x * x.mean((2, 3), keepdims=True), rtol=1e-5)


def test_a_reshape_may_leave_the_batch_axis_out(tmp_path: Path) -> None:
    # as the Console saves it: the output variable has the batch axis, the shape argument has not
    text = network(
        variable("x", (-1, 12)),
        variable("y", (-1, 1, 3, 4)),
        function("Reshape", ["x"], ["y"], "reshape_param { shape { dim: 1 dim: 3 dim: 4 } }"),
    )
    model = to_onnx(write_nnp(tmp_path / "m.nnp", text))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).random((5, 12), np.float32)
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], x.reshape(5, 1, 3, 4))


def test_a_batch_size_that_the_network_needs_stays(tmp_path: Path) -> None:
    # each image of the batch has a weight of its own: no other batch size makes sense
    text = network(
        variable("x", (4, 3)),
        variable("w", (4, 3), "Parameter"),
        variable("y", (4, 3)),
        function("Mul2", ["x", "w"], ["y"]),
    )
    weights = np.arange(12.0).reshape(4, 3)
    model = to_onnx(write_nnp(tmp_path / "m.nnp", text, {"w": weights}))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [4, 3]
    np.testing.assert_allclose(session.run(None, {"x": np.ones((4, 3), np.float32)})[0], weights)


def test_all_unsupported_functions_are_named_in_one_line(tmp_path: Path) -> None:
    text = network(
        variable("x", (-1, 2)),
        variable("a", (-1, 2)),
        variable("b", (-1, 2)),
        variable("y", (-1, 2)),
        function("Zebra", ["x"], ["a"]),
        function("ReLU", ["a"], ["b"]),
        function("Aardvark", ["b"], ["y"]),
    )
    with pytest.raises(WhylightError, match=r"not supported: Aardvark, Zebra$"):
        to_onnx(write_nnp(tmp_path / "m.nnp", text))


def rewritten(path: Path, parameters: dict[str, np.ndarray]) -> Path:
    text = network(
        variable("x", (-1, 2)),
        variable("y", (-1, 2)),
        variable("w", (1, 2), "Parameter"),
        function("Mul2", ["x", "w"], ["y"]),
    )
    return write_nnp(path, text, parameters)


def test_a_missing_parameter_is_named(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match="parameter 'w' is missing"):
        to_onnx(rewritten(tmp_path / "m.nnp", {}))


def test_a_loose_network_without_parameters_says_how_to_give_them() -> None:
    with pytest.raises(WhylightError, match=r"parameter 'Convolution/conv/W' is missing.*by the option 'parameters'"):
        to_onnx(DATA / "variants" / "net.nntxt")


def test_a_parameter_of_the_wrong_size_is_named_with_both_shapes(tmp_path: Path) -> None:
    with pytest.raises(
        WhylightError, match=r"parameter 'w' has 3 values of shape \(3,\), the network expects shape \(1, 2\)"
    ):
        to_onnx(rewritten(tmp_path / "m.nnp", {"w": np.zeros(3)}))


def test_a_parameter_may_differ_by_ones(tmp_path: Path) -> None:
    model = to_onnx(rewritten(tmp_path / "m.nnp", {"w": np.zeros((2, 1, 1))}))
    assert list(model.graph.initializer[0].dims) == [1, 2]


def test_nan_weights_are_a_warning(tmp_path: Path) -> None:
    with pytest.warns(WhylightWarning, match="parameter 'w' holds NaN"):
        to_onnx(rewritten(tmp_path / "m.nnp", {"w": np.array([[np.nan, 1]])}))


def test_contradicting_shapes_name_the_function(tmp_path: Path) -> None:
    text = network(
        variable("x", (-1, 2)),
        variable("w", (3, 3), "Parameter"),
        variable("y", (-1, 3)),
        function("Affine", ["x", "w"], ["y"], "affine_param { base_axis: 1 }", name="fc"),
    )
    with pytest.raises(WhylightError, match=r"function 'fc' \(Affine\)"):
        to_onnx(write_nnp(tmp_path / "m.nnp", text, {"w": np.zeros((3, 3))}))


def test_too_many_inputs_name_the_function(tmp_path: Path) -> None:
    text = network(variable("x", (-1, 2)), variable("y", (-1, 2)), function("ReLU", ["x", "x"], ["y"], name="r"))
    with pytest.raises(WhylightError, match=r"function 'r' \(ReLU\): has 2 inputs, expected 1"):
        to_onnx(write_nnp(tmp_path / "m.nnp", text))


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("Constant", lambda noise: np.all(noise == 2)),
        ("Normal", lambda noise: 1 < noise.std() < 3),
        ("Uniform", lambda noise: np.all(np.abs(noise) <= 2) and noise.std() > 0.5),
    ],
)
def test_a_generated_variable_is_one_fixed_draw(tmp_path: Path, kind: str, check) -> None:  # type: ignore[no-untyped-def]
    text = network(
        variable("x", (-1, 50)),
        variable("noise", (-1, 50)),
        variable("y", (-1, 50)),
        function("Add2", ["x", "noise"], ["y"]),
        extra=f'generator_variable {{ variable_name: "noise" type: "{kind}" multiplier: 2 }}',
    )
    model = to_onnx(write_nnp(tmp_path / "m.nnp", text))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    noise = session.run(None, {"x": np.zeros((3, 50), np.float32)})[0]
    assert check(noise)
    np.testing.assert_array_equal(noise[0], noise[2])
