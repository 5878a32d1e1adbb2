"""nnabla's stored results: how a case is read, converted and run."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from whylight.reading.nnp import to_onnx

RELATIVE_TOLERANCE = 1e-4
ABSOLUTE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Case:
    """One function with one set of arguments: its saved graph, and what nnabla computed."""

    function: str
    number: str
    nnp: bytes
    arrays: dict[str, np.ndarray[Any, Any]]
    facts: dict[str, Any]

    def group(self, prefix: str) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays of one kind by variable: ``in``, ``out``, ``gout`` or ``gin``."""
        return {name.split("/", 1)[1]: array for name, array in self.arrays.items() if name.startswith(prefix + "/")}


def cases(archive: Path) -> Iterator[Case]:
    """All cases of one ``<Function>.zip``."""
    with zipfile.ZipFile(archive) as file:
        for name in sorted(n for n in file.namelist() if n.endswith(".nnp")):
            stem = name.removesuffix(".nnp")
            with np.load(io.BytesIO(file.read(f"{stem}.npz"))) as arrays:
                yield Case(archive.stem, stem, file.read(name), dict(arrays), json.loads(file.read(f"{stem}.json")))


def convert(case: Case, folder: Path) -> onnx.ModelProto:
    """The case's model in ONNX, checked with full shape inference."""
    path = folder / f"{case.function}_{case.number}.nnp"
    path.write_bytes(case.nnp)
    model = to_onnx(path)
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model: onnx.ModelProto, case: Case) -> dict[str, np.ndarray[Any, Any]]:
    """The converted model's outputs for the case's inputs, by variable."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = case.group("in")
    feeds = {info.name: inputs[info.name].astype(np.float32) for info in session.get_inputs()}
    outputs: Any = session.run(None, feeds)
    return {info.name: output for info, output in zip(session.get_outputs(), outputs, strict=True)}


def assert_case_holds(case: Case, folder: Path) -> None:
    """The converted case computes what nnabla computed."""
    actual = run(convert(case, folder), case)
    for name, expected in case.group("out").items():
        np.testing.assert_allclose(
            np.asarray(actual[name], np.float64),
            expected.astype(np.float64),
            RELATIVE_TOLERANCE,
            ABSOLUTE_TOLERANCE,
            err_msg=f"{case.function} {case.number} {name} {case.facts['args']}",
        )
