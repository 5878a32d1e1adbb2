"""Small .nnp files for tests, written from a few lines of Python."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

FloatArray = np.ndarray[Any, Any]

CONVOLUTION = "convolution_param { base_axis: 1 group: 1 }"


def variable(name: str, shape: Sequence[int], kind: str = "Buffer", loops: Sequence[str] = ()) -> str:
    """The text of one variable."""
    repeats = "".join(f'repeat_id: "{loop}" ' for loop in loops)
    dims = " ".join(f"dim: {extent}" for extent in shape)
    return f'variable {{ name: "{name}" type: "{kind}" {repeats} shape {{ {dims} }} }}'


def function(
    kind: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    parameter: str = "",
    name: str = "",
    loops: Sequence[str] = (),
) -> str:
    """The text of one function; ``parameter`` is its parameter message, such as ``elu_param { alpha: 1 }``."""
    repeats = "".join(f'repeat_id: "{loop}" ' for loop in loops)
    reads = " ".join(f'input: "{name}"' for name in inputs)
    writes = " ".join(f'output: "{name}"' for name in outputs)
    return f'function {{ name: "{name or kind}" type: "{kind}" {repeats} {reads} {writes} {parameter} }}'


def network(*parts: str, data: Sequence[str] = ("x",), outputs: Sequence[str] = ("y",), extra: str = "") -> str:
    """The text of a file with one network and its executor; ``extra`` goes into the executor."""
    reads = " ".join(f'data_variable {{ variable_name: "{name}" data_name: "{name}" }}' for name in data)
    writes = " ".join(f'output_variable {{ variable_name: "{name}" data_name: "{name}" }}' for name in outputs)
    body = "\n".join(parts)
    return (
        f'network {{ name: "net" {body} }}\nexecutor {{ name: "run" network_name: "net" {reads} {writes} {extra} }}\n'
    )


def write_nnp(path: Path, text: str, parameters: Mapping[str, FloatArray] | None = None) -> Path:
    """A .nnp zip with a text network and HDF5 parameters."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in (parameters or {}).items():
            file[name] = np.asarray(array, np.float32)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nnp_version.txt", "0.1")
        archive.writestr("network.nntxt", text)
        archive.writestr("parameter.h5", buffer.getvalue())
    return path


def small_classifier(path: Path, *, classes: int = 3, activation: str = "Softmax", channels: int = 1) -> Path:
    """Convolution, ReLU, global average, affine, and a final activation, on 8 x 8 images; random weights."""
    random = np.random.default_rng(0)
    convolution = "convolution_param { base_axis: 1 pad { dim: 1 dim: 1 } group: 1 }"
    final = {
        "Softmax": function("Softmax", ["scores"], ["y"], "softmax_param { axis: 1 }"),
        "Sigmoid": function("Sigmoid", ["scores"], ["y"]),
        "": function("Identity", ["scores"], ["y"]),
    }[activation]
    text = network(
        variable("x", (-1, channels, 8, 8)),
        variable("features", (-1, 4, 8, 8)),
        variable("active", (-1, 4, 8, 8)),
        variable("pooled", (-1, 4, 1, 1)),
        variable("scores", (-1, classes)),
        variable("y", (-1, classes)),
        variable("conv/W", (4, channels, 3, 3), "Parameter"),
        variable("conv/b", (4,), "Parameter"),
        variable("affine/W", (4, classes), "Parameter"),
        variable("affine/b", (classes,), "Parameter"),
        function("Convolution", ["x", "conv/W", "conv/b"], ["features"], convolution),
        function("ReLU", ["features"], ["active"]),
        function("GlobalAveragePooling", ["active"], ["pooled"]),
        function("Affine", ["pooled", "affine/W", "affine/b"], ["scores"], "affine_param { base_axis: 1 }"),
        final,
    )
    parameters = {
        "conv/W": random.standard_normal((4, channels, 3, 3)),
        "conv/b": random.standard_normal(4),
        "affine/W": random.standard_normal((4, classes)),
        "affine/b": random.standard_normal(classes),
    }
    return write_nnp(path, text, parameters)


def one_convolution(
    path: Path, *before: str, shape: tuple[int, ...] = (1, 4, 4), read: str = "x", extra: str = ""
) -> Path:
    """x (8 x 8) -> whatever ``before`` says -> 1 x 1 convolution -> mean -> Softmax."""
    text = network(
        variable("x", (-1, 1, 8, 8)),
        variable("cut", (-1, *shape)),
        variable("features", (-1, 2, *shape[1:])),
        variable("scores", (-1, 2)),
        variable("y", (-1, 2)),
        variable("w", (2, 1, 1, 1), "Parameter"),
        *before,
        function("Convolution", [read, "w"], ["features"], CONVOLUTION),
        function("Mean", ["features"], ["scores"], "mean_param { axes: 2 axes: 3 }"),
        function("Softmax", ["scores"], ["y"], "softmax_param { axis: 1 }"),
        extra=extra,
    )
    return write_nnp(path, text, {"w": np.array([1.0, -1.0])})
