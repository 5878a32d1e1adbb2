"""Expansion of repeats and loops, pruning, running order."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from reading.nnp.networks import function, network, variable, write_nnp
from whylight.errors import WhylightError
from whylight.reading.nnp import read_model, to_onnx


def run(path: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(to_onnx(path).SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x.astype(np.float32)})[0])


def test_repeat_runs_its_body_as_often_as_it_says_with_a_parameter_for_each_pass(tmp_path: Path) -> None:
    # y = ((x * w[0]) * w[1]) * w[2]: the loop's variable carries over from pass to pass
    text = network(
        'repeat_info { id: "R" times: 3 }',
        variable("x", (-1, 2)),
        variable("start", (-1, 2), loops=["R"]),
        variable("scaled", (-1, 2), loops=["R"]),
        variable("y", (-1, 2)),
        variable("scale{R}/w", (1, 2), "Parameter", loops=["R"]),
        function("RepeatEnd", ["scaled"], ["y"], 'repeat_param { repeat_id: "R" times: 3 }'),
        function("RepeatStart", ["x", "scaled"], ["start"], 'repeat_param { repeat_id: "R" }', loops=["R"]),
        function("Mul2", ["start", "scale{R}/w"], ["scaled"], loops=["R"]),
    )
    weights = np.array([[[2, 3]], [[5, 7]], [[11, 13]]])
    path = write_nnp(tmp_path / "m.nnp", text, {f"scale[{i}]/w": w for i, w in enumerate(weights)})
    x = np.array([[1, 1], [1, 2], [0.5, -1]])
    np.testing.assert_allclose(run(path, x), x * weights.prod(0), rtol=1e-6)


def test_recurrent_loop_is_a_running_sum_over_its_axis(tmp_path: Path) -> None:
    # h[t] = h[t-1] + x[t], h[-1] = the initial value; y stacks all h
    text = network(
        'repeat_info { id: "T" times: 4 }',
        variable("x", (-1, 4, 2)),
        variable("step", (-1, 2), loops=["T"]),
        variable("before", (-1, 2), loops=["T"]),
        variable("sum", (-1, 2), loops=["T"]),
        variable("initial", (1, 2), "Parameter"),
        variable("y", (-1, 4, 2)),
        function(
            "RecurrentInput", ["x"], ["step"], 'recurrent_param { repeat_id: "T" axis: 1 length: 4 }', loops=["T"]
        ),
        function("Delay", ["sum", "initial"], ["before"], 'recurrent_param { repeat_id: "T" }', loops=["T"]),
        function("Add2", ["before", "step"], ["sum"], loops=["T"]),
        function("RecurrentOutput", ["sum"], ["y"], 'recurrent_param { repeat_id: "T" axis: 1 length: 4 }'),
    )
    initial = np.array([[10.0, 20.0]])
    path = write_nnp(tmp_path / "m.nnp", text, {"initial": initial})
    x = np.random.default_rng(0).standard_normal((3, 4, 2))
    np.testing.assert_allclose(run(path, x), initial[:, None] + np.cumsum(x, 1), rtol=1e-5)


def test_nested_repeats_multiply(tmp_path: Path) -> None:
    text = network(
        'repeat_info { id: "A" times: 2 } repeat_info { id: "B" times: 3 }',
        variable("x", (-1, 2)),
        variable("outer", (-1, 2), loops=["A"]),
        variable("inner", (-1, 2), loops=["A", "B"]),
        variable("plus", (-1, 2), loops=["A", "B"]),
        variable("after", (-1, 2), loops=["A"]),
        variable("y", (-1, 2)),
        function("RepeatStart", ["x", "after"], ["outer"], 'repeat_param { repeat_id: "A" }', "sa", loops=["A"]),
        function(
            "RepeatStart", ["outer", "plus"], ["inner"], 'repeat_param { repeat_id: "B" }', "sb", loops=["A", "B"]
        ),
        function("AddScalar", ["inner"], ["plus"], "add_scalar_param { val: 1 }", loops=["A", "B"]),
        function("RepeatEnd", ["plus"], ["after"], 'repeat_param { repeat_id: "B" times: 3 }', "eb", loops=["A"]),
        function("RepeatEnd", ["after"], ["y"], 'repeat_param { repeat_id: "A" times: 2 }', "ea"),
    )
    path = write_nnp(tmp_path / "m.nnp", text)
    np.testing.assert_allclose(run(path, np.zeros((2, 2))), 6)


def test_only_what_the_executor_needs_is_read(tmp_path: Path) -> None:
    text = network(
        variable("x", (-1, 2)),
        variable("y", (-1, 2)),
        variable("loss", (-1, 1)),
        variable("missing", (2,), "Parameter"),
        function("NoSuchFunction", ["y", "missing"], ["loss"]),
        function("ReLU", ["x"], ["y"]),
    )
    path = write_nnp(tmp_path / "m.nnp", 'network { name: "other" function { type: "AlsoUnknown" } }\n' + text)
    np.testing.assert_allclose(run(path, np.array([[-1.0, 2.0]])), [[0, 2]])


def test_functions_run_after_what_they_read(tmp_path: Path) -> None:
    text = network(
        variable("x", (-1, 2)),
        variable("a", (-1, 2)),
        variable("y", (-1, 2)),
        function("ReLU", ["a"], ["y"], name="second"),
        function("MulScalar", ["x"], ["a"], "mul_scalar_param { val: 2 }", name="first"),
    )
    path = write_nnp(tmp_path / "m.nnp", text)
    assert [f.name for f in read_model(path).network.functions] == ["first", "second"]
    np.testing.assert_allclose(run(path, np.array([[-1.0, 2.0]])), [[0, 4]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('network { name: "net" }', "has no executor"),
        (
            'network { name: "net" } executor { name: "run" network_name: "other" }',
            "network 'other', which is not in the file",
        ),
        (network(variable("x", (-1, 2)), outputs=()), "names no output variable"),
        (network(variable("x", (-1, 2))), "names variable 'y', which 'net' lacks"),
        (
            network(variable("x", (-1, 2)), variable("y", (-1, 2)), function("ReLU", ["gone"], ["y"])),
            "uses variable 'gone', which the network lacks",
        ),
        (
            network(
                variable("x", (-1, 2)),
                variable("y", (-1, 2)),
                variable("a", (-1, 2)),
                function("ReLU", ["a"], ["y"], name="f"),
                function("ReLU", ["y"], ["a"], name="g"),
            ),
            "has a cycle through function 'f'",
        ),
        (
            network('repeat_info { id: "R" times: 1000000000 }', variable("x", (-1, 2), loops=["R"])),
            "has 1000000000 variables, all repeats counted",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WhylightError, match=message):
        read_model(write_nnp(tmp_path / "m.nnp", text))


def test_a_function_of_many_outputs_has_all_of_them(tmp_path: Path) -> None:
    names = [f"part{index}" for index in range(300)]
    text = network(
        variable("x", (-1, 300, 2)),
        *(variable(name, (-1, 2)) for name in names),
        variable("y", (-1, 2)),
        function("Split", ["x"], names, "split_param { axis: 1 }"),
        function("Sub2", ["part299", "part7"], ["y"]),
    )
    x = np.random.default_rng(0).standard_normal((3, 300, 2))
    np.testing.assert_allclose(run(write_nnp(tmp_path / "m.nnp", text), x), x[:, 299] - x[:, 7], rtol=1e-6, atol=1e-6)
