"""Networks that state what no machine can hold, or what no function has: each is named in one line, at once."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import whylight
from reading.nnp.networks import CONVOLUTION, function, network, one_convolution, small_classifier, variable, write_nnp
from whylight.errors import WhylightError
from whylight.files.budget import VARIABLE
from whylight.graph.builder import GraphBuilder
from whylight.reading.nnp import to_onnx

HUGE = 10**12


def refused(path: Path, seconds: float = 10) -> str:
    """The one line with which a network is refused, soon; it names the file."""
    start = time.monotonic()
    with pytest.raises(WhylightError) as caught:
        to_onnx(path)
    assert time.monotonic() - start < seconds
    message = str(caught.value)
    assert message.isprintable()
    assert str(path) in message
    return message


def two_dimensional(
    path: Path, kind: str, parameter: str, shape: Sequence[int] = (1, 8, 8), result: Sequence[int] = (1, 8, 8)
) -> Path:
    """A network of one function on images."""
    text = network(
        variable("x", (-1, *shape)), variable("y", (-1, *result)), function(kind, ["x"], ["y"], parameter, name="f")
    )
    return write_nnp(path, text)


# ---- repeats and loops


def looping(path: Path, times: Sequence[int], *, functions: int = 1, kind: str = "ReLU", parameter: str = "") -> Path:
    loops = [f"R{index}" for index in range(len(times))]
    text = network(
        *(f'repeat_info {{ id: "{loop}" times: {count} }}' for loop, count in zip(loops, times, strict=True)),
        variable("x", (-1, 2)),
        variable("y", (-1, 2)),
        *(variable(f"v{index}", (-1, 2), loops=loops) for index in range(functions)),
        *(function(kind, ["x"], [f"v{index}"], parameter, loops=loops) for index in range(functions)),
        function("ReLU", ["x"], ["y"]),
    )
    return write_nnp(path, text)


@pytest.mark.parametrize("times", [(HUGE,), (2**62, 2**62), (10**6, 10**6)])
def test_repeats_are_counted_before_they_are_copied(tmp_path: Path, times: Sequence[int]) -> None:
    assert "all repeats counted; expected at most" in refused(looping(tmp_path / "m.nnp", times))


def test_repeats_of_all_functions_are_added_up(tmp_path: Path) -> None:
    message = refused(looping(tmp_path / "m.nnp", (15_000,), functions=1000))
    assert "has 15000002 variables, all repeats counted" in message


def test_a_function_of_many_repeats_is_refused(tmp_path: Path) -> None:
    assert "has 30001 functions, all repeats counted" in refused(looping(tmp_path / "m.nnp", (30_000,)))


def test_many_functions_are_refused(tmp_path: Path) -> None:
    text = network(variable("x", (-1, 2)), variable("y", (-1, 2)), *[function("ReLU", ["x"], ["y"])] * 20_001)
    assert "has 20001 functions, all repeats counted" in refused(write_nnp(tmp_path / "m.nnp", text), seconds=60)


@pytest.mark.parametrize("times", [0, -1, -HUGE])
def test_loops_of_no_turns_are_named(tmp_path: Path, times: int) -> None:
    assert f"loop 'R0' is run {times} times" in refused(looping(tmp_path / "m.nnp", (times,)))


def test_a_long_name_counts_at_each_repeat(tmp_path: Path) -> None:
    loop = 'repeat_info { id: "R" times: 10000 }'
    text = network(loop, variable("x", (-1, 2)), variable("n" * 100_000, (-1, 2), loops=["R"]))
    assert "all of its variables with their repeats would take" in refused(write_nnp(tmp_path / "m.nnp", text))


def test_a_function_in_many_loops_is_named(tmp_path: Path) -> None:
    assert "is inside 40 loops, expected at most 32" in refused(looping(tmp_path / "m.nnp", [1] * 40))


@pytest.mark.parametrize("kind", ["RecurrentInput", "RecurrentOutput"])
@pytest.mark.parametrize("times", [HUGE, -1])
def test_recurrent_loops_are_counted(tmp_path: Path, kind: str, times: int) -> None:
    parameter = f'recurrent_param {{ repeat_id: "R" length: {times} axis: 1 }}'
    text = network(
        f'repeat_info {{ id: "R" times: {times} }}',
        variable("x", (-1, 2)),
        variable("y", (-1, 2)),
        function(kind, ["x"], ["y"], parameter, loops=["R"] if kind == "RecurrentInput" else []),
    )
    refused(write_nnp(tmp_path / "m.nnp", text))


@pytest.mark.parametrize("kind", ["RecurrentInput", "RepeatStart", "Delay"])
def test_functions_of_loops_without_a_loop_are_named(tmp_path: Path, kind: str) -> None:
    inputs = ["x"] if kind == "RecurrentInput" else ["x", "x"]
    text = network(variable("x", (-1, 2)), variable("y", (-1, 2)), function(kind, inputs, ["y"], name="f"))
    assert "'f' is in" in refused(write_nnp(tmp_path / "m.nnp", text))


def test_a_function_without_outputs_is_named(tmp_path: Path) -> None:
    text = network(variable("x", (-1, 2)), variable("y", (-1, 2)), function("ReLU", ["x"], []))
    assert "function 'ReLU' (ReLU) has no output" in refused(write_nnp(tmp_path / "m.nnp", text))


# ---- sizes


@pytest.mark.parametrize("shape", [(3, 10**6, 10**6), (HUGE,), (2**62, 2**62), (3, 20_000, 20_000)])
def test_an_input_larger_than_the_memory_is_refused(tmp_path: Path, shape: Sequence[int]) -> None:
    message = refused(two_dimensional(tmp_path / "m.nnp", "ReLU", "", shape, shape))
    assert "the input 'x' of shape" in message
    assert "would take" in message


def test_a_large_batch_is_refused_where_it_is_fixed(tmp_path: Path) -> None:
    flat = "reshape_param { shape { dim: 3000000 dim: 1000 } }"
    text = network(
        variable("x", (10**6, 3, 1000)), variable("y", (3 * 10**6, 1000)), function("Reshape", ["x"], ["y"], flat)
    )
    assert "the input 'x' of shape" in refused(write_nnp(tmp_path / "m.nnp", text))


def test_a_large_batch_is_free_where_any_will_do(tmp_path: Path) -> None:
    text = network(variable("x", (10**7, 100)), variable("y", (10**7, 100)), function("ReLU", ["x"], ["y"]))
    model = to_onnx(write_nnp(tmp_path / "m.nnp", text))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_an_input_of_many_axes_is_refused(tmp_path: Path) -> None:
    assert "at most 32 axes" in refused(two_dimensional(tmp_path / "m.nnp", "ReLU", "", [1] * 40, [1] * 40))


@pytest.mark.parametrize("declared", [(-1, -4), (-2, -2), (2, -2), (HUGE,), (0, 4), (2**32, 2**32), (1,) * 40])
def test_a_parameter_has_the_shape_that_is_declared(tmp_path: Path, declared: Sequence[int]) -> None:
    text = network(
        variable("x", (-1, 4)),
        variable("y", (-1, 4)),
        variable("w", declared, "Parameter"),
        function("Add2", ["x", "w"], ["y"]),
    )
    assert "parameter 'w' has" in refused(write_nnp(tmp_path / "m.nnp", text, {"w": np.ones(4)}))


@pytest.mark.parametrize("kind", ["Normal", "Uniform", "Range", "Constant"])
def test_what_is_generated_is_counted(tmp_path: Path, kind: str) -> None:
    text = network(
        variable("x", (-1, 2)),
        variable("noise", (-1, 10**5, 10**5)),
        variable("y", (-1, 10**5, 10**5)),
        function("Add2", ["x", "noise"], ["y"]),
        extra=f'generator_variable {{ variable_name: "noise" type: "{kind}" multiplier: 1 }}',
    )
    assert "variable 'noise': what is generated of shape" in refused(write_nnp(tmp_path / "m.nnp", text))


# ---- arguments of any value


@pytest.mark.parametrize(
    ("kind", "parameter"),
    [
        ("Tile", "tile_param { reps: [1, 1000000, 1000000, 1] }"),
        ("Tile", "tile_param { reps: [1000000000, 1, 1] }"),
        ("Pad", 'pad_param { pad_width: [1000000000, 1000000000, 0, 0] mode: "constant" }'),
        ("Pad", 'pad_param { pad_width: [1000000000, 1000000000, 0, 0] mode: "reflect" }'),
        ("Pad", 'pad_param { pad_width: [1000000000, 1000000000, 0, 0] mode: "repeat" }'),
        ("Unpooling", "unpooling_param { kernel { dim: [100000, 100000] } }"),
        ("Interpolate", 'interpolate_param { output_size: [1000000000, 1000000000] mode: "linear" }'),
        ("Interpolate", 'interpolate_param { output_size: [1000000000, 1] mode: "nearest" }'),
        ("ImageAugmentation", "image_augmentation_param { shape { dim: [1, 10000000, 10000000] } min_scale: 2 }"),
        (
            "AveragePooling",
            "average_pooling_param { kernel { dim: [1, 1] } pad { dim: [0, 0] } stride { dim: [0, 1] } }",
        ),
        ("MaxPooling", "max_pooling_param { kernel { dim: [-3, 1] } }"),
        ("Transpose", "transpose_param { axes: [0, 0, 0, 0] }"),
        ("Transpose", "transpose_param { axes: [9, 1, 2, 3] }"),
        ("Split", "split_param { axis: 17 }"),
        ("Stack", "stack_param { axis: 1000 }"),
        ("Slice", "slice_param { start: [1, 1] stop: [5] step: [1, 1] }"),
        ("Slice", "slice_param { start: [0] stop: [5] step: [0] }"),
        ("Sum", "sum_param { axes: [100] }"),
        ("Max", "max_param { axes: [100] with_index: true }"),
        ("CumSum", "cumsum_param { axis: 100 }"),
        ("CumProd", "cumprod_param { axis: 100 }"),
        ("Softmax", "softmax_param { axis: -9 }"),
        ("Flip", "flip_param { axes: [-100] }"),
        ("Concatenate", "concatenate_param { axis: 12 }"),
        ("NormNormalization", "norm_normalization_param { p: 2 axes: [50] }"),
        ("MulScalar", "pad_param { pad_width: [1, 1] }"),
        ("Pad", "mul_scalar_param { val: 3 }"),
        ("Transpose", f"transpose_param {{ axes: [{', '.join('0' for _ in range(1000))}] }}"),
        ("Split", f"split_param {{ axis: {2**40} }}"),
    ],
)
def test_arguments_that_cannot_be_are_named(tmp_path: Path, kind: str, parameter: str) -> None:
    assert "function 'f'" in refused(two_dimensional(tmp_path / "m.nnp", kind, parameter))


@pytest.mark.parametrize("kind", ["Broadcast", "Reshape"])
@pytest.mark.parametrize("shape", [(1, 10**6, 8, 10**6), (-1, HUGE, 8, 8), (1,) * 40])
def test_declared_results_that_cannot_be_are_named(tmp_path: Path, kind: str, shape: Sequence[int]) -> None:
    text = network(
        variable("x", (-1, 1, 8, 8)),
        variable("y", shape),
        function(kind, ["x"], ["y"], f"{kind.lower()}_param {{ shape {{ dim: 1 }} }}", name="f"),
    )
    assert "function 'f'" in refused(write_nnp(tmp_path / "m.nnp", text))


@pytest.mark.parametrize(
    "argument",
    [
        "pad { dim: [1000000000, 1000000000] }",
        "pad { dim: [-1, -1] }",
        "stride { dim: [0, 0] }",
        "stride { dim: [-2, 1] }",
        "pad { dim: [1, 1, 1] }",
        f"pad {{ dim: [{2**62}, {2**62}] }}",
    ],
)
def test_convolutions_that_cannot_be_are_named(tmp_path: Path, argument: str) -> None:
    hostile = CONVOLUTION.replace("base_axis: 1", f"base_axis: 1 {argument}")
    convolution = function("Convolution", ["x", "w"], ["cut"], hostile, name="f")
    assert "function 'f' (Convolution)" in refused(one_convolution(tmp_path / "m.nnp", convolution, read="cut"))


@pytest.mark.parametrize("argument", ["base_axis: 9", "base_axis: -9", "group: 0", "group: -1", "group: 7"])
def test_axes_and_groups_that_cannot_be_are_named(tmp_path: Path, argument: str) -> None:
    parameter = f"convolution_param {{ {argument} {'' if 'group' in argument else 'group: 1'} }}"
    convolution = function("Convolution", ["x", "w"], ["cut"], parameter, name="f")
    assert "function 'f' (Convolution)" in refused(one_convolution(tmp_path / "m.nnp", convolution, read="cut"))


@pytest.mark.parametrize(
    ("kind", "parameter"),
    [
        ("Constant", "constant_param { val: 1 shape { dim: [1000000, 1000000] } }"),
        ("Constant", "constant_param { val: 1 shape { dim: [-1, 1000000, 1000000] } }"),
        ("Constant", "constant_param { val: 1 shape { dim: [-5, -7] } }"),
        ("Arange", "arange_param { start: 0 stop: 1e30 step: 1e-30 }"),
        ("Linspace", "linspace_param { start: 0 stop: 1 num: 1000000000 }"),
    ],
)
def test_constants_that_cannot_be_are_named(tmp_path: Path, kind: str, parameter: str) -> None:
    text = network(
        variable("x", (-1, 1)),
        variable("c", (1,)),
        variable("y", (-1, 1)),
        function(kind, [], ["c"], parameter, name="f"),
        function("Add2", ["x", "c"], ["y"]),
    )
    assert f"function 'f' ({kind})" in refused(write_nnp(tmp_path / "m.nnp", text))


# ---- the budget itself


def test_a_larger_budget_lets_a_larger_network_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = two_dimensional(tmp_path / "m.nnp", "ReLU", "", (3, 20_000, 20_000), (3, 20_000, 20_000))
    refused(path)
    monkeypatch.setenv(VARIABLE, "10G")
    assert to_onnx(path).graph.input[0].name == "x"


def test_what_is_no_larger_than_the_constants_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "16M")
    op = GraphBuilder()
    with pytest.raises(WhylightError, match="would take"):
        op.input("x", (2**23,))
    weight = op.initializer("w", np.zeros(2**23, np.float32))
    assert op.Relu(weight).shape == (2**23,)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "n" * 5000, "日本語\u2028"])
def test_a_network_may_have_any_names(tmp_path: Path, name: str) -> None:
    escaped = "".join(f"\\{byte:03o}" for byte in name.encode())
    path = small_classifier(tmp_path / "m.nnp")
    text = network(
        variable("x", (-1, 1, 8, 8)),
        variable(escaped, (-1, 1, 8, 8)),
        variable("y", (-1, 1, 8, 8)),
        function("ReLU", ["x"], [escaped], name=escaped),
        function("Pad", [escaped], ["y"], "pad_param { pad_width: [1] }", name=escaped),
    )
    assert len(refused(write_nnp(path, text))) < 2100


def test_a_description_has_a_line_a_layer_whatever_their_names(tmp_path: Path) -> None:
    text = network(
        variable("x", (-1, 1, 8, 8)),
        variable("maps", (-1, 1, 8, 8)),
        variable("y", (-1, 1)),
        function("ReLU", ["x"], ["maps"], name=r"fake\nproblem      none\033[2J"),
        function("Mean", ["maps"], ["y"], "mean_param { axes: 2 axes: 3 }"),
    )
    lines = whylight.inspect(write_nnp(tmp_path / "m.nnp", text)).to_text().split("\n")
    assert all(line.isprintable() for line in lines)
    assert any(r"fake\nproblem      none\x1b[2J  ReLU" in line for line in lines)


def test_a_window_that_never_ends_is_refused(tmp_path: Path) -> None:
    """Each of eight outputs is the largest of 2^32 values, nearly all of them padding."""
    arguments = (
        "max_pooling_param { kernel { dim: [2, 2147483647] } stride { dim: [2, 2] } pad { dim: [0, 0] } "
        "ignore_border: false }"
    )
    message = refused(two_dimensional(tmp_path / "m.nnp", "MaxPooling", arguments, (2, 8, 8), (2, 4, 4)), seconds=20)
    assert "products for one image" in message
