"""The stub of the builder's operators: current, and strict where it is read by mypy."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import defs

from whylight.graph.inference import OPSET

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / "scripts" / "make_operators.py"
PACKAGE = ROOT / "src" / "whylight"
STUB = PACKAGE / "graph" / "operators.pyi"

CALLS = """
import numpy as np
from whylight.graph.builder import GraphBuilder

op = GraphBuilder()
x = op.input("x", ("N", 3, 8, 8))
y: int = op.Relu(x)  # assignment
op.Relu(op.Mul(x, 2.0))
op.Conv(x, np.ones((4, 3, 3, 3), np.float32), None, pads=[1, 1, 1, 1], strides=(2, 2), auto_pad=None)
op.Concat(x, x, x, axis=1)
op.ReduceSum(x, [2, 3], keepdims=False)
op.Clip(x, None, np.float32(6))
op.Reluu(x)  # attr-defined
op.TopK(x, [1], axis=1)  # attr-defined
op.Conv(x, x, padz=[1, 1, 1, 1])  # call-arg
op.Conv(x, x, pads=1)  # arg-type
op.Conv(x, x, pads=[0.5])  # list-item
op.Softmax(x, axis="1")  # arg-type
op.Elu(x, alpha="1.0")  # arg-type
op.Conv(x)  # call-arg
op.Relu(x, x)  # call-arg
op.Relu("x")  # arg-type
op.Concat(x, x)  # call-arg
op.Conv(X=x, W=x)  # call-arg
"""


def check_stub(generator: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, str(generator), "--check"], capture_output=True, text=True, check=False)


def test_the_stub_is_current() -> None:
    checked = check_stub(GENERATOR)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("has_stub", [True, False])
def test_a_stub_that_is_not_current_is_named_in_one_line(tmp_path: Path, has_stub: bool) -> None:
    generator, stub = (tmp_path / path.relative_to(ROOT) for path in (GENERATOR, STUB))
    generator.parent.mkdir()
    generator.write_bytes(GENERATOR.read_bytes())
    stub.parent.mkdir(parents=True)
    if has_stub:
        stub.write_bytes(STUB.read_bytes().replace(b"Relu", b"Reluu"))
    checked = check_stub(generator)
    named = Path("src/whylight/graph/operators.pyi")
    assert (checked.returncode, checked.stderr) == (1, f"{named} is not current: run `make operators`\n")


def test_misspelt_operators_and_attributes_and_wrong_types_fail_mypy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mypy = pytest.importorskip("mypy.api")
    monkeypatch.chdir(ROOT)  # where its settings are, and its cache
    calls = tmp_path / "calls.py"
    calls.write_text(CALLS, encoding="utf-8")
    report, errors, _ = mypy.run([str(calls)])
    assert not errors
    found = {int(line): kind for line, kind in re.findall(r"calls\.py:(\d+): error: .*\[(\S+)\]$", report, re.M)}
    lines = enumerate(CALLS.splitlines(), 1)
    assert found == {number: line.split("  # ")[1] for number, line in lines if "  # " in line}


def test_every_operator_that_the_source_calls_exists() -> None:
    called = {
        call.func.attr
        for path in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr[0].isupper()
        and ast.unparse(call.func.value).endswith("op")
    }
    declared = {node.name for node in ast.walk(ast.parse(STUB.read_bytes())) if isinstance(node, ast.FunctionDef)}
    assert len(called) > 50
    assert called <= declared
    assert all(defs.get_schema(name, OPSET, "").name == name for name in called)
