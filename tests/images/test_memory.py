"""What images may ask for: refused by the size that their headers state, and no more taken than is counted."""

import gzip
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whylight.errors import WhylightError
from whylight.files.budget import VARIABLE
from whylight.images.pictures import picture_of, read_picture

SIDE = 2000
Maker = Callable[[Path], object]


def of_pillow(mode: str, name: str, side: int = SIDE, **options: Any) -> tuple[str, Maker]:
    """One color everywhere: a small file, however large the image."""
    return name, lambda path: Image.new(mode, (side, side)).save(path, **options)


def deflated_dicom(path: Path, side: int = SIDE, extra: int = 0) -> None:
    """All of it is one stream, of which headers say nothing."""
    from pydicom import dcmwrite
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows = dataset.Columns = side
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.PixelData = bytes(2 * side * side + extra)
    dcmwrite(path, dataset)


def huge_png(path: Path) -> None:
    """Of 40000 x 40000 pixels, by its header; there are none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


KINDS = [
    of_pillow("F", "float.tif", compression="tiff_deflate"),
    of_pillow("I;16", "deep.tif", compression="tiff_deflate"),
    of_pillow("I;16", "deep.png"),
    of_pillow("RGB", "a.webp"),
    of_pillow("RGBA", "a.png"),
    of_pillow("CMYK", "ink.tif", compression="tiff_deflate"),
    of_pillow("P", "palette.gif"),
    of_pillow("RGB", "a.jp2"),
    of_pillow("RGB", "progressive.jpg", progressive=True),
    ("deflated.dcm", deflated_dicom),
]


@pytest.mark.parametrize(("name", "make"), KINDS)
def test_the_budget_is_for_all_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, make: Maker) -> None:
    make(tmp_path / name)
    monkeypatch.setenv(VARIABLE, "16M")
    with pytest.raises(
        WhylightError, match=rf"{name}: (an image of 2000 x 2000 pixels|what it inflates to) would take"
    ):
        read_picture(tmp_path / name, 3)
    monkeypatch.setenv(VARIABLE, "512M")
    assert read_picture(tmp_path / name, 3).size == (SIDE, SIDE)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much a process has taken")
@pytest.mark.parametrize(("name", "make"), KINDS)
def test_no_more_is_taken_than_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, make: Maker
) -> None:
    """A budget of what the process grows by, as the system says it, less its noise, is too small."""
    make(tmp_path / name)
    program = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from whylight.images.pictures import display, model_input, read_picture\n"
        "import pydicom.pixels.utils\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) * 1024\n"
        "before = peak()\n"
        "picture = read_picture(Path(sys.argv[1]), 3)\n"
        "model_input(picture, (224, 224), 1), display(picture, 1)\n"
        "print(peak() - before)\n"
    )
    taken = int(subprocess.check_output([sys.executable, "-c", program, str(tmp_path / name)]))
    monkeypatch.setenv(VARIABLE, str(taken - 2**23))
    with pytest.raises(WhylightError, match="would take"):
        read_picture(tmp_path / name, 3)


def test_a_header_alone_takes_no_memory(tmp_path: Path) -> None:
    huge_png(tmp_path / "a.png")
    with pytest.raises(WhylightError, match=r"a\.png: an image of 40000 x 40000 pixels would take 23\.8 GiB of memory"):
        read_picture(tmp_path / "a.png", 3)


def test_a_stream_is_inflated_no_further_than_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB behind the pixels of a tiny image."""
    deflated_dicom(tmp_path / "a.dcm", side=2, extra=2**26)
    assert (tmp_path / "a.dcm").stat().st_size < 2**17
    monkeypatch.setenv(VARIABLE, "16M")
    with pytest.raises(WhylightError, match=r"a\.dcm: what it inflates to would take"):
        read_picture(tmp_path / "a.dcm", 1)


def test_a_compressed_frame_is_larger_than_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom import dcmread, dcmwrite
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    deflated_dicom(tmp_path / "a.dcm", side=8)
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "frame.jpg")
    dataset = dcmread(tmp_path / "a.dcm")
    dataset.PixelData = encapsulate([(tmp_path / "frame.jpg").read_bytes()])
    dataset["PixelData"].is_undefined_length = True
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dcmwrite(tmp_path / "a.dcm", dataset)
    monkeypatch.setenv(VARIABLE, "16M")
    with pytest.raises(WhylightError, match=r"a\.dcm: .*2000 x 2000 pixels would take"):
        read_picture(tmp_path / "a.dcm", 1)


def test_tiles_larger_than_the_image(tmp_path: Path) -> None:
    """A TIFF of 16 x 16 pixels in one tile of 60000 x 60000."""
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: 60000, 323: 60000, 324: 200, 325: 50}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    (tmp_path / "a.tif").write_bytes((b"II*\0\x08\0\0\0" + directory).ljust(200, b"\0") + zlib.compress(bytes(256)))
    with pytest.raises(WhylightError, match=r"a\.tif: its tiles: an image of 60000 x 60000 pixels would take"):
        read_picture(tmp_path / "a.tif", 1)


def test_a_file_of_holes(tmp_path: Path) -> None:
    """A file of a terabyte that takes nothing on the disk."""
    for name in ("a.png", "a.dcm", "a.npy", "a.csv"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(WhylightError, match=f"{name}: the file would take 1 TiB of memory"):
            read_picture(tmp_path / name, 1)


def test_arrays_of_one_number_a_gigabyte(tmp_path: Path) -> None:
    """An .npy file of holes, within the budget as it lies there, but not with what is made of it."""
    np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (2**15, 2**15))
    with pytest.raises(WhylightError, match=r"a\.npy: an image of 32768 x 32768 pixels would take"):
        read_picture(tmp_path / "a.npy", 1)


def test_a_photograph_beyond_pillows_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget says what is too large; Pillow's limit stands for whoever else uses Pillow."""
    for name in ("a.png", "a.jpg", "a.tif", "a.webp", "a.jp2"):
        Image.new("RGB", (64, 48), (200, 100, 50)).save(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for name in ("a.png", "a.jpg", "a.tif", "a.webp", "a.jp2"):
        assert read_picture(tmp_path / name, 3).size == (48, 64)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_metadata_that_inflate(tmp_path: Path) -> None:
    """256 MiB of text, and of a color profile, in chunks of 256 KiB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bomb = zlib.compress(bytes(2**28))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    for kind, prefix in ((b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")):
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(kind, prefix + bomb) + pixels)
        with pytest.raises(WhylightError, match=r"a\.png: not an image, or damaged"):
            read_picture(tmp_path / "a.png", 1)


def test_images_of_a_program_have_the_budget_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge_png(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with Image.open(tmp_path / "a.png") as image, pytest.raises(WhylightError, match="40000 x 40000 pixels would take"):
        picture_of(image, 3)


def test_what_decoders_print_is_not_seen(tmp_path: Path) -> None:
    """Damaged files of every format: nothing comes to standard error, where C libraries write by themselves."""
    random = np.random.default_rng(3)
    noise = Image.fromarray(random.integers(0, 256, (64, 64, 3), np.uint8))
    for name in ("a.tif", "b.tif", "c.jpg", "d.jp2", "e.webp", "f.png", "g.gif"):
        noise.save(tmp_path / name, **({"compression": "tiff_lzw"} if name == "b.tif" else {}))
        whole = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
        for number in range(40):
            damaged = whole.copy()
            damaged[random.integers(0, len(whole), 6)] = random.integers(0, 256, 6)
            (tmp_path / f"{number}{name}").write_bytes(
                damaged[: random.integers(len(whole) // 2, len(whole))].tobytes()
            )
    tags = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 277: 2048, 273: 8, 279: 256}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    (tmp_path / "samples.tif").write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(300))
    (tmp_path / "z.dcm").write_bytes(gzip.compress(b"no DICOM"))
    program = (
        "import sys\nfrom contextlib import suppress\nfrom pathlib import Path\n"
        "from whylight.errors import WhylightError\nfrom whylight.images.pictures import read_picture\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    with suppress(WhylightError):\n"
        "        read_picture(path, 3)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, check=True)
    assert found.stderr == b""
