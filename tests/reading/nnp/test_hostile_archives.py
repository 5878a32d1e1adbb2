"""Containers that are made to harm: each is refused in one line, before memory is taken or another file is opened."""

import io
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from reading.nnp.networks import small_classifier, write_nnp
from samples import DATA
from whylight.errors import WhylightError
from whylight.files.budget import VARIABLE
from whylight.reading.nnp.archive import read
from whylight.reading.nnp.schema import message_class

NETWORK = DATA / "variants" / "net.nntxt"
DEFLATED = zipfile.ZIP_DEFLATED


def parameter_file(path: Path, fill: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def refused(path: Path, parameters: Path | None = None) -> str:
    """The one line with which a model is refused; it names the file."""
    with pytest.raises(WhylightError) as caught:
        read(path, parameters)
    message = str(caught.value)
    assert message.isprintable()
    assert (parameters or path).name in message
    return message


# ---- what leads out of the file


def test_values_in_an_external_file_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(400))
    path = parameter_file(
        tmp_path / "p.h5", lambda file: file.create_dataset("w", (100,), "f4", external=[(str(secret), 0, 400)])
    )
    assert "w: its values lie in another file" in refused(NETWORK, path)


def test_a_virtual_dataset_is_not_read(tmp_path: Path) -> None:
    parameter_file(tmp_path / "secret.h5", lambda file: file.create_dataset("x", data=np.ones(4, "f4")))
    layout = h5py.VirtualLayout((4,), "f4")
    layout[...] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "x", (4,))
    path = parameter_file(tmp_path / "p.h5", lambda file: file.create_virtual_dataset("w", layout))
    assert "w: its values lie in another file" in refused(NETWORK, path)


@pytest.mark.parametrize("link", [h5py.ExternalLink("secret.h5", "/x"), h5py.SoftLink("/other")], ids=["file", "place"])
def test_a_link_is_not_followed(tmp_path: Path, link: object) -> None:
    path = parameter_file(tmp_path / "p.h5", lambda file: file.__setitem__("group/w", link))
    assert "group/w: is a link" in refused(NETWORK, path)


def test_a_filter_that_is_not_built_in_is_not_run(tmp_path: Path) -> None:
    path = parameter_file(
        tmp_path / "p.h5", lambda file: file.create_dataset("w", data=np.ones(100, "f4"), compression="lzf")
    )
    assert "w: is packed by filters (32000,)" in refused(NETWORK, path)


def test_an_array_in_gzip_is_read(tmp_path: Path) -> None:
    values = np.arange(100, dtype=np.float32)
    path = parameter_file(
        tmp_path / "p.h5",
        lambda file: file.create_dataset("w", data=values, compression="gzip", shuffle=True, fletcher32=True),
    )
    np.testing.assert_array_equal(read(NETWORK, path).parameters["w"], values)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("parameter.h5")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "m.nnp", "w") as archive:
        archive.write(NETWORK, "network.nntxt")
        archive.writestr(link, "/etc/passwd")
    assert "parameter.h5: is a link" in refused(tmp_path / "m.nnp")


# ---- sizes


@pytest.fixture
def _small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "16M")


@pytest.mark.usefixtures("_small_budget")
def test_members_are_added_up(tmp_path: Path) -> None:
    member = parameter_file(tmp_path / "p.h5", lambda file: file.create_dataset("0", data=np.zeros(2**16, "f4")))
    with zipfile.ZipFile(tmp_path / "m.nnp", "w", DEFLATED) as archive:
        for index in range(60):
            archive.writestr(f"{index}.h5", member.read_bytes())
    assert "it and what comes before it would take" in refused(tmp_path / "m.nnp")


@pytest.mark.usefixtures("_small_budget")
def test_arrays_are_added_up(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        for index in range(40):
            file.create_dataset(str(index), (2**15,), "f4", chunks=(2**15,))

    assert "it and what comes before it would take" in refused(NETWORK, parameter_file(tmp_path / "p.h5", fill))


@pytest.mark.usefixtures("_small_budget")
def test_an_array_of_many_names_counts_each_time(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.create_dataset("0", (2**15,), "f4", chunks=(2**15,))
        for index in range(1, 40):
            file[str(index)] = file["0"]

    assert "it and what comes before it would take" in refused(NETWORK, parameter_file(tmp_path / "p.h5", fill))


def test_messages_within_a_message_are_counted(tmp_path: Path) -> None:
    message = message_class("NNablaProtoBuf")()
    message.network.add()  # type: ignore[attr-defined]
    piece = message.SerializeToString() * 10**7
    with zipfile.ZipFile(tmp_path / "m.nnp", "w", DEFLATED) as archive:
        archive.writestr("network.protobuf", piece)
    assert "would take" in refused(tmp_path / "m.nnp")


@pytest.mark.parametrize("form", ["zip of HDF5", "zip of messages", "HDF5", "messages", "network and parameters"])
def test_what_a_file_really_holds_is_read_whatever_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv(VARIABLE, "64K")
    values = np.random.default_rng(0).normal(size=2**19).astype(np.float32)
    message: Any = message_class("NNablaProtoBuf")()
    message.parameter.add(variable_name="w", data=values).shape.dim.append(values.size)
    parameters = message.SerializeToString()
    hdf5 = parameter_file(tmp_path / "p.h5", lambda file: file.create_dataset("w", data=values)).read_bytes()
    (tmp_path / "p.protobuf").write_bytes(parameters)
    message.network.add(name="n")
    (tmp_path / "m.protobuf").write_bytes(message.SerializeToString())
    with zipfile.ZipFile(tmp_path / "m.nnp", "w", DEFLATED) as archive:
        archive.write(NETWORK, "network.nntxt")
        archive.writestr("p.h5" if form == "zip of HDF5" else "p.protobuf", hdf5 if "HDF5" in form else parameters)
    model, beside = {
        "HDF5": (NETWORK, tmp_path / "p.h5"),
        "messages": (NETWORK, tmp_path / "p.protobuf"),
        "network and parameters": (tmp_path / "m.protobuf", None),
    }.get(form, (tmp_path / "m.nnp", None))
    np.testing.assert_array_equal(read(model, beside).parameters["w"], values)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_unpacks_without_a_bound_is_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "m.nnp", "w", method) as archive:
        archive.write(NETWORK, "network.nntxt")
    assert "packed in an unknown way" in refused(tmp_path / "m.nnp")


def test_a_member_unpacks_to_no_more_than_it_states(tmp_path: Path) -> None:
    path = tmp_path / "m.nnp"
    with zipfile.ZipFile(path, "w", DEFLATED) as archive:
        archive.writestr("network.nntxt", bytes(2**20))
    data = path.read_bytes().replace((2**20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    path.write_bytes(data)
    assert "damaged" in refused(path)


def test_a_piece_of_an_array_unpacks_to_no_more_than_it_states(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        dataset = file.create_dataset("w", (8,), "f4", chunks=(8,), compression="gzip")
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(2**24)))

    assert "w: a piece unpacks to more than the 32 bytes" in refused(NETWORK, parameter_file(tmp_path / "p.h5", fill))


def test_an_array_in_a_billion_pieces_is_refused(tmp_path: Path) -> None:
    path = parameter_file(tmp_path / "p.h5", lambda file: file.create_dataset("w", (2**20,), "i1", chunks=(1,)))
    assert "w: is cut into 1048576 pieces" in refused(NETWORK, path)


def test_a_negative_shape_is_refused(tmp_path: Path) -> None:
    text = 'network { name: "n" } parameter { variable_name: "w" shape { dim: -1 dim: -4 } data: [1, 2, 3, 4] }'
    (tmp_path / "m.nntxt").write_text(text)
    assert "parameter 'w' has shape (-1, -4), expected no negative extents" in refused(tmp_path / "m.nntxt")


def test_a_shape_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    text = 'network { name: "n" } parameter { variable_name: "w" shape { dim: 1000000000000 } data: 1 }'
    (tmp_path / "m.nntxt").write_text(text)
    assert "has 1 values, its shape (1000000000000,) needs 1000000000000" in refused(tmp_path / "m.nntxt")


def test_more_than_32_axes_are_refused(tmp_path: Path) -> None:
    text = f'network {{ name: "n" }} parameter {{ variable_name: "w" shape {{ {"dim: 1 " * 33} }} data: 1 }}'
    (tmp_path / "m.nntxt").write_text(text)
    assert "parameter 'w' has 33 axes" in refused(tmp_path / "m.nntxt")


# ---- what is no array of numbers


@pytest.mark.parametrize(
    "kind",
    [np.dtype([("a", "f4")]), h5py.vlen_dtype("f4"), h5py.string_dtype(), h5py.ref_dtype, np.dtype("c8")],
    ids=["compound", "vlen", "text", "reference", "complex"],
)
def test_arrays_of_other_types_are_named(tmp_path: Path, kind: np.dtype[np.void]) -> None:
    path = parameter_file(tmp_path / "p.h5", lambda file: file.create_dataset("w", (2,), kind))
    assert "p.h5: w: is of type" in refused(NETWORK, path)


def test_a_dataset_without_a_space_is_named(tmp_path: Path) -> None:
    path = parameter_file(tmp_path / "p.h5", lambda file: file.create_dataset("w", data=h5py.Empty("f4")))
    assert "p.h5: w: is of type" in refused(NETWORK, path)


def test_attributes_are_not_read(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        dataset = file.create_dataset("w", data=np.ones(3, "f4"))
        dataset.attrs["need_grad"] = b"\xff" * 1000
        dataset.attrs.create("reference", dataset.ref, dtype=h5py.ref_dtype)

    assert list(read(NETWORK, parameter_file(tmp_path / "p.h5", fill)).parameters) == ["w"]


def test_a_group_that_holds_itself_ends(tmp_path: Path) -> None:
    path = parameter_file(tmp_path / "p.h5", lambda file: file.create_group("a").__setitem__("again", file["a"]))
    assert read(NETWORK, path).parameters == {}


# ---- zips that say different things to different readers


def test_a_member_that_is_there_twice_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.nnp", "w") as archive:
        archive.write(NETWORK, "network.nntxt")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.write(NETWORK, "network.nntxt")
    assert "network.nntxt: is in it 2 times" in refused(tmp_path / "m.nnp")


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.nntxt", "x" * 100)
        archive.writestr("b.nntxt", "x" * 100)
        archive.filelist[1].header_offset = archive.filelist[0].header_offset
    (tmp_path / "m.nnp").write_bytes(buffer.getvalue())
    assert "overlaps another member" in refused(tmp_path / "m.nnp")


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    path = small_classifier(tmp_path / "m.nnp")
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[place + 8] |= 1
    path.write_bytes(data)
    assert "network.nntxt: is encrypted" in refused(path)


# ---- protobuf


@pytest.mark.parametrize("text", ["network{" * 2000, "zz{" * 100_000, "network { function { " + "zz { " * 5000])
def test_text_that_is_nested_deeply_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.nntxt").write_text(text)
    refused(tmp_path / "m.nntxt")


def test_a_message_that_is_nested_deeply_is_refused(tmp_path: Path) -> None:
    data = b""
    for _ in range(3000):
        data = b"\x0b" + data + b"\x0c"
    (tmp_path / "m.protobuf").write_bytes(data)
    refused(tmp_path / "m.protobuf")


def test_text_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whylight.reading.nnp.messages.SECONDS", 0.2)
    (tmp_path / "m.nntxt").write_text("network { batch_size: 1 " + "variable { shape { dim: 1 } } " * 100_000 + "}")
    assert "takes longer than 0.1 seconds to read as text" in refused(tmp_path / "m.nntxt")


def test_a_network_on_one_long_line_is_read_as_on_many(tmp_path: Path) -> None:
    variables = "variable { name: 'a # {b}' shape{dim:[1,2]} }" * 3000
    text = f'network {{ {variables} name: "\\"quoted\\"" " and more" batch_size: -1 }} # }} "and" \'so on\''
    (tmp_path / "m.nntxt").write_text(text)
    (found,) = read(tmp_path / "m.nntxt").proto.network
    assert len(found.variable) == 3000
    assert {(variable.name, *variable.shape.dim) for variable in found.variable} == {("a # {b}", 1, 2)}
    assert (found.name, found.batch_size) == ('"quoted" and more', -1)


@pytest.mark.parametrize("text", [r'network { name: "\377\376" }', "network { batch_size: " + "9" * 5000 + " }"])
def test_values_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.nntxt").write_text(text)
    refused(tmp_path / "m.nntxt")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "n" * 100_000, "\0"])
def test_messages_hold_any_name_on_one_line(tmp_path: Path, name: str) -> None:
    escaped = "".join(f"\\{byte:03o}" for byte in name.encode())
    path = write_nnp(
        tmp_path / "m.nnp", f'network {{ name: "n" }} parameter {{ variable_name: "{escaped}" data: 1 data: 2 }}'
    )
    assert len(refused(path)) < 2100
