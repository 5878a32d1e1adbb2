"""The kinds of files: how one is made of a number, and what whylight is asked to do with it."""

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import corpus
import h5py
import numpy as np
import onnx
from google.protobuf import text_format
from hostile import integer, mutated_bytes, mutated_json, mutated_message, mutated_text, texts_of

import images
import whylight
from whylight.contract import METADATA_KEY, InputFacts
from whylight.images.inputs import prepared_inputs, read_image
from whylight.reading.nnp.schema import message_class


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        make: writes a case's files into an empty folder; gives back the one that is opened.
        use: does with it what people do; raises what whylight raises.
    """

    make: Callable[[Random, Path], Path]
    use: Callable[[Path], None]


def _written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


# ---- models


def _make_nnp(random: Random, folder: Path) -> Path:
    file = random.choice(corpus.nnp_files())
    if random.random() < 0.15:
        return _written(folder, "model.nnp", mutated_bytes(random, file))
    members = corpus.members_of(file)
    name = random.choice([name for name in members if name != "nnp_version.txt"])
    if name.endswith(".h5"):
        members[name] = _mutated_hdf5(random, members[name], _written(folder, "decoy", bytes(4096)))
    elif random.random() < 0.1:
        members[name] = mutated_bytes(random, members[name])
    else:
        members[name] = _mutated_network(random, name, members[name])
    match random.randrange(20):
        case 0:
            members.pop(random.choice(list(members)))
        case 1:
            members[f"again.{random.choice(('nntxt', 'protobuf', 'h5', 'prototxt'))}"] = members[name]
    if random.random() < 0.1:
        loose = name.replace("network.", "model.").replace("parameter.", "model.")
        return _written(folder, loose, members.get(name, b""))
    compression = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    return _written(folder, "model.nnp", corpus.zip_of(members, compression))


def _mutated_network(random: Random, name: str, content: bytes) -> bytes:
    message: Any = message_class("NNablaProtoBuf")()
    if name.endswith(".protobuf"):
        message.ParseFromString(content)
    else:
        text_format.Parse(content.decode(), message)
    names = texts_of(message)
    mutated_message(random, message, [*names, *names, *corpus.function_names()])
    if name.endswith(".protobuf"):
        return bytes(message.SerializeToString())
    text = text_format.MessageToString(message)
    return (mutated_text(random, text, ' \n{}":') if random.random() < 0.1 else text).encode()


def _mutated_hdf5(random: Random, content: bytes, decoy: Path) -> bytes:
    """Of an HDF5 file: bytes, or an array in it; ``decoy`` is a file that no reader has to open."""
    if random.random() < 0.4:
        return mutated_bytes(random, content)
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        names = corpus.parameter_names(file)
        name = random.choice(names)
        values = np.asarray(file[name])
        del file[name]
        match random.randrange(9):
            case 0:
                file[name] = h5py.ExternalLink(str(decoy), "/x")
            case 1:
                file[name] = h5py.SoftLink(random.choice(["/", "/nowhere", name, f"/{names[0]}"]))
            case 2:
                file.create_dataset(name, values.shape, "f4", external=[(str(decoy), 0, values.nbytes)])
            case 3:
                layout = h5py.VirtualLayout(values.shape, "f4")
                layout[...] = h5py.VirtualSource(str(decoy), "x", values.shape)
                file.create_virtual_dataset(name, layout)
            case 4:
                kind = random.choice(["i1", "u8", "f2", "f8", "S4", "c8", h5py.string_dtype(), [("a", "f4")]])
                file.create_dataset(name, data=np.zeros(values.shape, kind) if kind != h5py.string_dtype() else ["a"])
            case 5:
                shape = tuple(min(max(integer(random), 1), 2**40) for _ in range(random.randrange(1, 5)))
                file.create_dataset(name, shape, "f4", chunks=tuple(max(1, min(each, 8)) for each in shape))
            case 6:
                file.create_dataset(name, data=values, compression=random.choice(["gzip", "lzf"]), shuffle=True)
            case 7:
                file[name] = values.ravel()[: random.randrange(values.size + 1)]
            case 8:
                file.create_group(name)
    return buffer.getvalue()


def _make_onnx(random: Random, folder: Path) -> Path:
    content = random.choice(corpus.onnx_files())
    if random.random() < 0.1:
        return _written(folder, "model.onnx", mutated_bytes(random, content))
    model = onnx.ModelProto.FromString(content)
    if random.random() < 0.1:
        data = corpus.with_external_data(model, "weights.bin")
        _written(folder, "weights.bin", data[: len(data) - random.choice((0, 0, 1, 1000))])
    names = texts_of(model)
    mutated_message(random, model, [*names, *names, *corpus.operator_names()])
    return _written(folder, "model.onnx", model.SerializeToString())


def _use_model(path: Path) -> None:
    """One of what is done with models: each of them reads the whole file."""
    match sum(path.read_bytes()) % 4:
        case 0:
            whylight.inspect(path)
        case 1:
            whylight.load(path)
        case _:
            _explain(path)


def _explain(path: Path) -> None:
    explainer = whylight.explainer(path, cache=False, device="cpu", threads=1)
    explainer(_image(explainer.facts.input))


def _image(facts: InputFacts) -> Any:
    random = np.random.default_rng(0)
    if facts.is_picture and facts.channels in (1, 3):
        return random.integers(0, 256, (9, 7, facts.channels)).astype(np.uint8)
    return random.random((facts.channels, *facts.size), np.float32)


# ---- compiled explainers


def _make_explainer(random: Random, folder: Path) -> Path:
    content = random.choice(corpus.explainers())
    if random.random() < 0.05:
        return _written(folder, "explainer.onnx", mutated_bytes(random, content))
    model = onnx.ModelProto.FromString(content)
    if random.random() < 0.3:
        mutated_message(random, model, texts_of(model))
    else:
        entry = next(each for each in model.metadata_props if each.key == METADATA_KEY)
        value = json.loads(entry.value)
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            value = mutated_json(random, value)
        text = json.dumps(value)
        entry.value = mutated_text(random, text, '{}[],:"') if random.random() < 0.05 else text
    return _written(folder, "explainer.onnx", model.SerializeToString())


def _use_explainer(path: Path) -> None:
    whylight.inspect(path)
    _explain(path)


# ---- images


def _make_image(random: Random, folder: Path) -> Path:
    ending, content = random.choice(images.pictures())
    if ending == ".csv":
        return _written(folder, "image.csv", mutated_text(random, content.decode(), ",\n").encode("utf-8", "replace"))
    if random.random() < 0.1:
        ending = random.choice(images.pictures())[0]
    return _written(folder, f"image{ending}", mutated_bytes(random, content))


_FACTS = (
    InputFacts("x", 3, (8, 8), "CHW", 1.0),
    InputFacts("x", 1, (8, 8), "CHW", 255.0),
    InputFacts("x", 2, (16,), "CL", 1.0),
)


def _use_image(path: Path) -> None:
    facts = _FACTS[path.stat().st_size % len(_FACTS)] if path.suffix in (".npy", ".csv") else _FACTS[0]
    prepared_inputs([read_image(path, facts)], facts)


# ---- tables


def _make_table(random: Random, folder: Path) -> Path:
    text = random.choice(images.TABLES)
    if random.random() < 0.3:
        return _written(folder, "table.csv", mutated_bytes(random, text.encode()))
    return _written(folder, "table.csv", mutated_text(random, text, ',\n"').encode("utf-8", "surrogatepass"))


def _use_table(path: Path) -> None:
    dataset = whylight.open_dataset(path)
    for shard in dataset.shards(2):
        for row in dataset.rows(shard):
            str(row.place)
    whylight.explain_dataset(corpus.run_explainer(), path, path.with_name("out.csv"), workers=1, on_error="skip")
    whylight.write_report(path.with_name("out.csv"), path.with_name("report.html"))


# ---- runs


@cache
def _right_result() -> dict[str, bytes]:
    """What a run that was never stopped writes."""
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        corpus.write_run_inputs(folder)
        corpus.run(folder)
        return _results(folder)


def _results(folder: Path) -> dict[str, bytes]:
    paths = [folder / "out.csv", *sorted((folder / "out").rglob("*.png"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _make_run(random: Random, folder: Path) -> Path:
    for name, content in corpus.stopped_run():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    own = [name for name, _ in corpus.stopped_run() if name.startswith((".out", "out/"))]
    path = folder / random.choice(own)
    content = path.read_bytes()
    match random.randrange(8):
        case 0:
            path.unlink()
        case 1:
            path.unlink()
            path.mkdir()
        case 2 | 3 if path.suffix in (".json", ".jsonl") and content:
            lines = content.splitlines()
            place = random.randrange(len(lines))
            try:
                lines[place] = json.dumps(mutated_json(random, json.loads(lines[place]))).encode()
            except ValueError:
                lines[place] = mutated_bytes(random, lines[place])
            path.write_bytes(b"\n".join(lines) + b"\n")
        case _:
            path.write_bytes(mutated_bytes(random, content))
    return folder / "table.csv"


class WrongResultError(Exception):
    """A run ended well, with another result than one that was never stopped."""


def _use_run(path: Path) -> None:
    right = _right_result()
    corpus.run(path.parent)
    found = _results(path.parent)
    if found != right:
        different = [name for name in sorted({*found, *right}) if found.get(name) != right.get(name)]
        raise WrongResultError(", ".join(different))


KINDS = {
    "nnp": Kind(_make_nnp, _use_model),
    "onnx": Kind(_make_onnx, _use_model),
    "explainer": Kind(_make_explainer, _use_explainer),
    "image": Kind(_make_image, _use_image),
    "table": Kind(_make_table, _use_table),
    "run": Kind(_make_run, _use_run),
}


def make(kind: str, number: int, folder: Path) -> Path:
    """The files of a case, always the same ones."""
    return KINDS[kind].make(Random(f"{kind} {number}"), folder)


def use(kind: str, path: Path) -> None:
    """What whylight does with them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        KINDS[kind].use(path)
