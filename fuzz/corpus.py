"""Good files of every kind, small and made by scripts: what mutations begin with."""

import io
import sys
import tempfile
import warnings
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Event
from typing import Any

import h5py
import numpy as np
import onnx
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper, parser
from PIL import Image

import whylight
from whylight.reading.nnp.functions import supported_functions
from whylight.reading.nnp.schema import message_class

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "reading" / "nnp")]

import networks  # noqa: E402

import onnx_samples  # noqa: E402

# ---- .nnp


@cache
def nnp_files() -> tuple[bytes, ...]:
    """Zips with networks as text and as messages, parameters in HDF5 and as messages, with loops and without."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.nnp"
        files = [
            networks.small_classifier(path, activation=activation, channels=channels).read_bytes()
            for activation, channels in (("Softmax", 1), ("Sigmoid", 3), ("", 1))
        ]
        files += [networks.write_nnp(path, text, parameters).read_bytes() for text, parameters in _networks()]
    return (*files, *map(_as_message, files), *map(_with_message, files))


def _networks() -> list[tuple[str, dict[str, Any]]]:
    variable, function, network = networks.variable, networks.function, networks.network
    loop = 'repeat_info { id: "R" times: 3 }'
    weights = np.random.default_rng(0)
    repeated = network(
        loop,
        variable("x", (-1, 2, 4, 4)),
        variable("carried", (-1, 2, 4, 4), loops=["R"]),
        variable("maps", (-1, 2, 4, 4), loops=["R"]),
        variable("end", (-1, 2, 4, 4)),
        variable("scores", (-1, 3)),
        variable("y", (-1, 3)),
        variable("conv{R}/W", (2, 2, 3, 3), "Parameter", ["R"]),
        variable("affine/W", (32, 3), "Parameter"),
        function("RepeatStart", ["x", "maps"], ["carried"], 'repeat_param { repeat_id: "R" times: 3 }', loops=["R"]),
        function(
            "Convolution",
            ["carried", "conv{R}/W"],
            ["maps"],
            "convolution_param { base_axis: 1 pad { dim: 1 dim: 1 } group: 1 }",
            loops=["R"],
        ),
        function("RepeatEnd", ["maps"], ["end"], 'repeat_param { repeat_id: "R" times: 3 }'),
        function("Affine", ["end", "affine/W"], ["scores"], "affine_param { base_axis: 1 }"),
        function("Softmax", ["scores"], ["y"], "softmax_param { axis: 1 }"),
    )
    parameters = {f"conv[{index}]/W": weights.normal(size=(2, 2, 3, 3)) for index in range(3)}
    various = network(
        variable("x", (-1, 1, 6, 6)),
        variable("padded", (-1, 1, 8, 8)),
        variable("maps", (-1, 2, 8, 8)),
        variable("normal", (-1, 2, 8, 8)),
        variable("turned", (-1, 8, 8, 2)),
        variable("pooled", (-1, 4, 4, 2)),
        variable("flat", (-1, 32)),
        variable("scores", (-1, 3)),
        variable("y", (-1, 3)),
        variable("conv/W", (2, 1, 3, 3), "Parameter"),
        *(variable(f"bn/{name}", (1, 2, 1, 1), "Parameter") for name in ("beta", "gamma", "mean", "var")),
        variable("affine/W", (32, 3), "Parameter"),
        function("Pad", ["x"], ["padded"], 'pad_param { pad_width: [0,0,0,0,1,1,1,1] mode: "constant" }'),
        function(
            "Convolution",
            ["padded", "conv/W"],
            ["maps"],
            "convolution_param { base_axis: 1 pad { dim: 1 dim: 1 } group: 1 }",
        ),
        function(
            "BatchNormalization",
            ["maps", "bn/beta", "bn/gamma", "bn/mean", "bn/var"],
            ["normal"],
            "batch_normalization_param { axes: 1 eps: 1e-5 batch_stat: false }",
        ),
        function("Transpose", ["normal"], ["turned"], "transpose_param { axes: [0, 2, 3, 1] }"),
        function(
            "MaxPooling",
            ["turned"],
            ["pooled"],
            "max_pooling_param { kernel { dim: [2, 2] } stride { dim: [2, 2] } pad { dim: [0, 0] } channel_last: 1 }",
        ),
        function("Reshape", ["pooled"], ["flat"], "reshape_param { shape { dim: -1 dim: 32 } }"),
        function("Affine", ["flat", "affine/W"], ["scores"], "affine_param { base_axis: 1 }"),
        function("Softmax", ["scores"], ["y"], "softmax_param { axis: 1 }"),
    )
    others = {f"bn/{name}": np.ones((1, 2, 1, 1)) for name in ("beta", "gamma", "mean", "var")}
    return [
        (repeated, {**parameters, "affine/W": weights.normal(size=(32, 3))}),
        (various, {**others, "conv/W": weights.normal(size=(2, 1, 3, 3)), "affine/W": weights.normal(size=(32, 3))}),
    ]


def _with_message(file: bytes) -> bytes:
    """The same model, its network as a message."""
    members = members_of(file)
    return zip_of({"network.protobuf": _network(members).SerializeToString(), "parameter.h5": members["parameter.h5"]})


def _network(members: dict[str, bytes]) -> Any:
    network: Any = message_class("NNablaProtoBuf")()
    text_format.Parse(members["network.nntxt"].decode(), network)
    return network


def _as_message(file: bytes) -> bytes:
    """The same model, its network and parameters as messages."""
    members = members_of(file)
    network = _network(members)
    with h5py.File(io.BytesIO(members["parameter.h5"])) as parameters:
        for name in parameter_names(parameters):
            values = np.asarray(parameters[name])
            network.parameter.add(variable_name=name, data=values.ravel()).shape.dim.extend(values.shape)
    return zip_of({"network.protobuf": network.SerializeToString()})


def parameter_names(file: h5py.File) -> list[str]:
    """The arrays of an HDF5 file."""
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names


def members_of(file: bytes) -> dict[str, bytes]:
    """What a zip holds, by name."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_of(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


@cache
def function_names() -> list[str]:
    """Those of nnabla's functions that are converted, and of one that is not."""
    return [*supported_functions(), "NoSuchFunction"]


# ---- .onnx


@cache
def onnx_files() -> tuple[bytes, ...]:
    """Networks with and without branches, loops, local functions, quantized and recurrent ones, of several inputs."""
    models = [
        onnx_samples.cnn(),
        onnx_samples.cnn(batch=1, layout="NHWC"),
        onnx_samples.vision_transformer(),
        onnx_samples.small_cnn((6, 8)),
        onnx_samples.small_cnn((12,)),
        onnx_samples.small_cnn((4, 4, 4)),
        *map(_parsed, _TEXTS),
        _quantized(),
    ]
    return tuple(model.SerializeToString() for model in models)


_TEXTS = (
    onnx_samples.HEAD
    + "rectified = own.twice(maps)"
    + onnx_samples.TAIL
    + """
<domain: "own", opset_import: ["" : 18]>
twice (x) => (y) { half = Relu(x)  y = Add(half, x) }
""",
    onnx_samples.HEAD
    + """
    one = Constant<value_int = 1>()
    size = Shape<start = 1, end = 2>(image)
    three = Squeeze(size)
    is_color = Greater(three, one)
    rectified = If (is_color) <
        then_branch = then_graph () => (a) { a = Relu(maps) },
        else_branch = else_graph () => (b) { b = Tanh(maps) }
    >
"""
    + onnx_samples.TAIL,
    onnx_samples.HEAD
    + """
    turns = Constant<value_int = 3>()
    yes = Cast<to = 9>(turns)
    rectified = Loop (turns, yes, maps) <
        body = step (int64 turn, bool go, float[N,4,6,6] before) => (bool again, float[N,4,6,6] after) {
            again = Identity(go)
            after = Sigmoid(before)
        }
    >
"""
    + onnx_samples.TAIL,
    onnx_samples.HEAD
    + """
    scales = Constant<value = float[4] {1.0, 1.0, 2.0, 2.0}>()
    larger = Resize<mode = "linear">(maps, , scales)
    starts = Constant<value = int64[1] {0}>()
    ends = Constant<value = int64[1] {8}>()
    axes = Constant<value = int64[1] {2}>()
    part = Slice(larger, starts, ends, axes)
    axis = Constant<value = int64[1] {1}>()
    mean = ReduceMean<keepdims = 1>(part, axis)
    repeats = Constant<value = int64[4] {1, 4, 1, 1}>()
    same = Tile(mean, repeats)
    left, right = Split<axis = 1, num_outputs = 2>(same)
    both = Concat<axis = 1>(left, right)
    limit = Constant<value_float = 0.5>()
    wide = Where(is, both, limit)
    is = Greater(both, limit)
    rectified = Relu(wide)
"""
    + onnx_samples.TAIL,
)


def _parsed(text: str) -> onnx.ModelProto:
    return parser.parse_model(text)


def _quantized() -> onnx.ModelProto:
    float_, byte = TensorProto.FLOAT, TensorProto.UINT8
    values = {
        "scale": np.array(0.02, np.float32),
        "zero": np.array(128, np.uint8),
        "kernel": np.random.default_rng(0).integers(0, 255, (4, 3, 3, 3)).astype(np.uint8),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=float_),
        helper.make_node("QuantizeLinear", ["numbers", "scale", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["near"]),
        helper.make_node("DequantizeLinear", ["kernel", "scale", "zero"], ["weights"]),
        helper.make_node("Conv", ["near", "weights"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["rectified"]),
        helper.make_node("GlobalMaxPool", ["rectified"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["scores"]),
    ]
    return onnx_samples.model(
        nodes,
        [helper.make_tensor_value_info("image", byte, ["N", 3, 6, 6])],
        [helper.make_tensor_value_info("scores", float_, ["N", 4])],
        values,
    )


def with_external_data(model: onnx.ModelProto, location: str) -> bytes:
    """The model, with its weights in another file; and what that file holds."""
    content = b""
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        data = array.tobytes()
        del tensor.float_data[:], tensor.int64_data[:], tensor.int32_data[:]
        tensor.raw_data = b""
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", len(content)), ("length", len(data))):
            tensor.external_data.add(key=key, value=str(value))
        content += data
    return content


@cache
def operator_names() -> list[str]:
    """Those of ONNX."""
    return sorted({schema.name for schema in onnx.defs.get_all_schemas()})


# ---- compiled explainers


@cache
def explainers() -> tuple[bytes, ...]:
    """Of several methods: of one pass, of several, of the image, of the head alone; of pixels; of signals."""
    compiled = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index, method in enumerate(("gradcam", "layercam", "scorecam", "gradient", "eigen-gradcam")):
            path = Path(folder) / f"{index}.onnx"
            onnx.save(onnx_samples.small_cnn((6, 8)), path)
            compiled.append(whylight.compile(path, method=method).SerializeToString())
        onnx.save(onnx_samples.small_cnn((12,)), path)
        compiled.append(whylight.compile(path).SerializeToString())
    return tuple(compiled)


# ---- runs


@cache
def stopped_run() -> tuple[tuple[str, bytes], ...]:
    """The files of a run that was stopped before its end: names in its folder, and contents."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_run_inputs(folder)
        stop, done = Event(), []

        def advance(count: int) -> None:
            done.append(count)
            if sum(done) >= 4:
                stop.set()

        with suppress(whylight.Cancelled):
            run(folder, cancel=stop, advance=advance)
        found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return tuple((str(path.relative_to(folder)), path.read_bytes()) for path in found)


def write_run_inputs(folder: Path) -> None:
    """Images, and a table of them."""
    pixels = np.random.default_rng(1).integers(0, 256, (8, 6, 8)).astype(np.uint8)
    for index, each in enumerate(pixels):
        Image.fromarray(each).save(folder / f"{index}.png")
    (folder / "table.csv").write_text("x:image,y\n" + "".join(f"{index}.png,{index % 4}\n" for index in range(8)))


@cache
def run_explainer() -> whylight.Explainer:
    """What explains the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(onnx_samples.small_cnn((6, 8), channels=1), path)
        return whylight.explainer(path, cache=False, device="cpu", threads=1, batch_size=2)


def run(folder: Path, **options: Any) -> None:
    """Explain the table, or go on with it."""
    whylight.explain_dataset(run_explainer(), folder / "table.csv", folder / "out.csv", workers=1, **options)
