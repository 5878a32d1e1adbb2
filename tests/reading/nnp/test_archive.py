"""Every container form, and files that are none."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
import onnxruntime
import pytest

from reading.nnp.networks import function, network, small_classifier, variable, write_nnp
from samples import BUNDLED, DATA, evaluation, pixels
from whylight.errors import WhylightError
from whylight.files.budget import VARIABLE
from whylight.reading.nnp import to_onnx
from whylight.reading.nnp.archive import read

VARIANTS = DATA / "variants"


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("network_prototxt.nnp", None),
        ("network_protobuf.nnp", None),
        ("parameter_protobuf.nnp", None),
        ("whole.nntxt", None),
        ("whole.protobuf", None),
        ("net.nntxt", "parameters.h5"),
    ],
)
def test_every_form_gives_what_nnabla_computed(model: str, parameters: str | None) -> None:
    onnx_model = to_onnx(VARIANTS / model, VARIANTS / parameters if parameters else None)
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), providers=["CPUExecutionProvider"])
    images, _, expected = evaluation(BUNDLED / "mnist" / "output_result.csv")
    assert [info.name for info in session.get_inputs()] == ["Input"]
    assert [info.name for info in session.get_outputs()] == ["y'"]
    (actual,) = session.run(None, {"Input": np.stack([pixels(image) for image in images])})
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def zip_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return path


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=r"none\.nnp: no such file"):
        read(tmp_path / "none.nnp")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "folder.nnp").mkdir()
    with pytest.raises(WhylightError, match="is a folder, not a file"):
        read(tmp_path / "folder.nnp")


def test_what_is_no_zip_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "m.nnp").write_bytes(b"hello")
    with pytest.raises(WhylightError, match="not a zip archive"):
        read(tmp_path / "m.nnp")


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_said_to_be_damaged(tmp_path: Path, kept: float) -> None:
    data = small_classifier(tmp_path / "m.nnp").read_bytes()
    (tmp_path / "m.nnp").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(WhylightError, match="not a zip archive, or damaged"):
        read(tmp_path / "m.nnp")


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    data = bytearray(small_classifier(tmp_path / "m.nnp").read_bytes())
    data[data.index(b"network {") + 3] ^= 1
    (tmp_path / "m.nnp").write_bytes(data)
    with pytest.raises(WhylightError, match="not a zip archive, or damaged"):
        read(tmp_path / "m.nnp")


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "16M")
    bomb = tmp_path / "m.nnp"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("network.nntxt", "w") as member:
        for _ in range(5):
            member.write(b"\0" * 2**20)
    with pytest.raises(WhylightError, match="of memory, more than the"):
        read(bomb)


def test_an_hdf5_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    path = tmp_path / "parameters.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("w", (10**12,), "float32", chunks=(10**6,))
    with pytest.raises(WhylightError, match="of memory, more than the"):
        read(VARIANTS / "net.nntxt", path)


def test_a_zip_without_a_network_is_said_to_hold_none(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=r"holds no network \(found: nothing\)"):
        read(zip_of(tmp_path / "m.nnp", readme__txt=b"hello"))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("net.nntxt", b"network { nam: }", "not a network in protobuf text format"),
        ("net.nntxt", b"\xff\xfe\x00", "not UTF-8 text"),
        ("net.protobuf", b"\xff\xff\xff", "not a protobuf network"),
        ("net.txt", b"text", "expected a .nnp, .nntxt, .prototxt or .protobuf file"),
        ("net.protobuf", b"\x0a\x011", "holds no network"),
        ("net.nntxt", b"", "is empty"),
    ],
)
def test_a_loose_file_that_is_no_network(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WhylightError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "message"),
    [("p.h5", "cannot be read as a parameter file in HDF5"), ("p.txt", "expected a parameter file")],
)
def test_a_parameter_file_that_is_none(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"junk")
    with pytest.raises(WhylightError, match=message):
        read(VARIANTS / "net.nntxt", tmp_path / name)


def test_fields_of_other_versions_are_skipped(tmp_path: Path) -> None:
    text = network(
        variable("x", (-1, 2)),
        variable("y", (-1, 2)),
        function("ReLU", ["x"], ["y"], "relu_param { inplace: true brand_new: 3 } also_new { a: 1 }"),
        extra="newer_field: 7",
    )
    assert read(write_nnp(tmp_path / "m.nnp", text)).proto.network[0].function[0].type == "ReLU"
