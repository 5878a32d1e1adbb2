"""The derivative of every supported function is what nnabla computed, in all of its test cases that have one."""

from pathlib import Path

import numpy as np
import pytest

from reading.nnp.conformance import Case, cases, convert, run
from samples import DATA
from versions import release
from whylight.gradient import gradient
from whylight.graph.builder import GraphBuilder

CASES = [
    case
    for archive in sorted((DATA / "cases").glob("*.zip"))
    for case in cases(archive)
    if case.group("gin").keys() & set(case.facts["data"])
]

OTHERWISE = {
    "GroupNormalization 113": "a group of constant values: its variance is rounding noise, and so is the derivative",
    "SpectralNorm 002": "nnabla takes the power iteration for a constant; here it is differentiated too",
}
"""Cases that have no derivative here, or another one, each with the reason."""
if release("onnxruntime") < (1, 27):
    OTHERWISE["Slice 008"] = "a slice of nothing: this ONNX Runtime fails at joining the paddings of its derivative"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.function}-{case.number}")
def test_case(case: Case, tmp_path: Path) -> None:
    name = f"{case.function} {case.number}"
    if name in OTHERWISE:
        pytest.skip(OTHERWISE[name])
    op = GraphBuilder.extending(convert(case, tmp_path))
    inputs = [op.tensors[variable] for variable in case.facts["data"] if variable in case.group("gin")]
    outputs = [op.tensors[variable] for variable in case.group("gout") if variable in op.tensors]
    seeds = {
        output.name: case.group("gout")[output.name].reshape(case.group("out")[output.name].shape) for output in outputs
    }
    weighted = [op.Mul(output, op.input(f"seed {output.name}", output.shape)) for output in outputs]
    total = op.Sum(*(op.ReduceSum(product, keepdims=0) for product in weighted))
    slopes = gradient(op, total, op.constant(np.float32(1)), inputs)
    named = [op.rename(op.Identity(slope), f"slope {x.name}") for slope, x in zip(slopes, inputs, strict=True)]
    with_seeds = Case(
        case.function,
        case.number,
        case.nnp,
        {**case.arrays, **{f"in/seed {output}": seed for output, seed in seeds.items()}},
        case.facts,
    )
    actual = run(op.model(named, "derivative"), with_seeds)
    for variable, expected in case.group("gin").items():
        if f"slope {variable}" in actual:
            tolerance = 1e-4 * max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(
                actual[f"slope {variable}"].reshape(expected.shape), expected, 1e-3, tolerance, err_msg=variable
            )
