"""Image codecs of PyPI: milliseconds an image to encode and to decode, in one thread, and the size of the files.

    pip install -r benchmarks/requirements-codecs.txt
    python benchmarks/codecs.py [--rounds 9]

Prints Markdown. Times are processor time of the calling thread, the least of interleaved rounds.
"""

import argparse
import io
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import cv2
import deflate
import fpng
import imagecodecs
import numpy as np
import pyspng
import simplejpeg
from isal import isal_zlib
from measuring import machine
from numpy.typing import NDArray
from PIL import Image
from zlib_ng import zlib_ng

from whylight.drawing.render import overlays
from whylight.files.png import encoded_png, filtered, png_file

Pixels = NDArray[np.uint8]
Encoder = Callable[[Pixels], bytes]
Decoder = Callable[[bytes], Pixels]
Codec = Callable[[Any], Any]

_DATA = Path(__file__).parents[1] / "tests" / "data"
_DIGIT = Path(__file__).parents[1] / "src" / "whylight" / "samples" / "mnist" / "images"
_SECONDS_A_ROUND = 0.01
_QUALITY = 90


def pillow(form: str, **options: int | bool) -> Encoder:
    def encode(pixels: Pixels) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, form, **options)
        return buffer.getvalue()

    return encode


def opencv(ending: str, *options: int) -> Encoder:
    def encode(pixels: Pixels) -> bytes:
        return cv2.imencode(ending, pixels[..., ::-1] if pixels.ndim == 3 else pixels, options)[1].tobytes()

    return encode


def whylight_filter(compress: Callable[[Pixels], bytes]) -> Encoder:
    """whylight's PNG writer with another compression."""
    return lambda pixels: png_file(pixels.shape, bytes(compress(filtered(pixels[np.newaxis])[0])))


def zlib_strategy(level: int, strategy: int) -> Callable[[Pixels], bytes]:
    def compress(rows: Pixels) -> bytes:
        compressor = zlib.compressobj(level, strategy=strategy)
        return compressor.compress(rows) + compressor.flush()

    return compress


def _rgb(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 3 else np.stack([pixels] * 3, -1)


def _simplejpeg(pixels: Pixels, sampling: str) -> bytes:
    channels = pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
    space = "RGB" if pixels.ndim == 3 else "GRAY"
    return simplejpeg.encode_jpeg(np.ascontiguousarray(channels), _QUALITY, space, sampling)


_RLE, _HUFFMAN = zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY
ENCODERS: dict[str, dict[str, Encoder]] = {
    "PNG": {
        "whylight (mean filter, isal 1)": encoded_png,
        "mean filter, isal 0": whylight_filter(lambda rows: isal_zlib.compress(rows, 0)),
        "mean filter, isal 3": whylight_filter(lambda rows: isal_zlib.compress(rows, 3)),
        "mean filter, zlib 1": whylight_filter(zlib_strategy(1, zlib.Z_DEFAULT_STRATEGY)),
        "mean filter, zlib run lengths": whylight_filter(zlib_strategy(6, _RLE)),
        "mean filter, zlib Huffman codes": whylight_filter(zlib_strategy(6, _HUFFMAN)),
        "mean filter, zlib-ng 1": whylight_filter(lambda rows: zlib_ng.compress(rows, 1)),
        "mean filter, libdeflate 1": whylight_filter(lambda rows: deflate.zlib_compress(rows, 1)),
        "Pillow": pillow("PNG"),
        "Pillow, level 1": pillow("PNG", compress_level=1),
        "Pillow, level 1, run lengths": pillow("PNG", compress_level=1, compress_type=_RLE),
        "Pillow, level 1, Huffman codes": pillow("PNG", compress_level=1, compress_type=_HUFFMAN),
        "OpenCV": opencv(".png"),
        "OpenCV, level 1, run lengths": opencv(".png", cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, _RLE),
        "imagecodecs, level 1": lambda pixels: imagecodecs.png_encode(pixels, level=1),
        "imagecodecs, level 1, run lengths": lambda pixels: imagecodecs.png_encode(pixels, level=1, strategy=_RLE),
        "imagecodecs, spng, level 1": lambda pixels: imagecodecs.spng_encode(pixels, level=1),
        "fpng (gray as RGB)": lambda pixels: bytes(fpng.from_ndarray(_rgb(pixels))),
    },
    "JPEG": {
        "Pillow, 4:4:4 (whylight)": pillow("JPEG", quality=_QUALITY, subsampling=0),
        "Pillow, 4:2:0": pillow("JPEG", quality=_QUALITY),
        "OpenCV, 4:2:0": opencv(".jpg", cv2.IMWRITE_JPEG_QUALITY, _QUALITY),
        "imagecodecs, 4:4:4": lambda pixels: imagecodecs.jpeg8_encode(pixels, _QUALITY, subsampling="444"),
        "simplejpeg, 4:4:4": lambda pixels: _simplejpeg(pixels, "444"),
        "simplejpeg, 4:2:0": lambda pixels: _simplejpeg(pixels, "420"),
    },
    "WebP": {
        "Pillow, method 2 (whylight)": pillow("WEBP", quality=_QUALITY, method=2),
        "Pillow, method 0": pillow("WEBP", quality=_QUALITY, method=0),
        "Pillow": pillow("WEBP", quality=_QUALITY),
        "Pillow, lossless, method 0": pillow("WEBP", lossless=True, quality=0, method=0),
        "OpenCV": opencv(".webp", cv2.IMWRITE_WEBP_QUALITY, _QUALITY),
        "imagecodecs, method 2": lambda pixels: imagecodecs.webp_encode(
            _rgb(pixels), _QUALITY, lossless=False, method=2
        ),
    },
}


def _pillow_decode(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)))


def _opencv_decode(data: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _simplejpeg_decode(data: bytes) -> Pixels:
    _, _, space, _ = simplejpeg.decode_jpeg_header(data)
    return simplejpeg.decode_jpeg(data, "GRAY" if space == "Gray" else "RGB").squeeze()


DECODERS: dict[str, dict[str, Decoder]] = {
    "PNG": {
        "Pillow (whylight)": _pillow_decode,
        "OpenCV": _opencv_decode,
        "imagecodecs": imagecodecs.png_decode,
        "imagecodecs, spng": imagecodecs.spng_decode,
        "pyspng": pyspng.load,
    },
    "JPEG": {
        "Pillow (whylight)": _pillow_decode,
        "OpenCV": _opencv_decode,
        "imagecodecs": imagecodecs.jpeg8_decode,
        "simplejpeg": _simplejpeg_decode,
    },
    "WebP": {"Pillow": _pillow_decode, "OpenCV": _opencv_decode, "imagecodecs": imagecodecs.webp_decode},
}
SOURCES = {
    "PNG": pillow("PNG"),
    "JPEG": pillow("JPEG", quality=_QUALITY),
    "WebP": pillow("WEBP", quality=_QUALITY),
}

LIBRARIES = {
    # distribution: module, license, what wheels there are
    "pillow": ("PIL.Image", "MIT-CMU", "all"),
    "opencv-python-headless": ("cv2", "Apache-2.0", "no musl, no Windows on ARM"),
    "imagecodecs": ("imagecodecs", "BSD-3, parts others", "Python 3.12 on, no musl"),
    "isal": ("isal.isal_zlib", "PSF-2.0", "no Windows on ARM"),
    "zlib-ng": ("zlib_ng.zlib_ng", "PSF-2.0", "all"),
    "deflate": ("deflate", "MIT", "all"),
    "fpng": ("fpng", "MIT", "no musl, no Windows on ARM; one release"),
    "pyspng": ("pyspng", "MIT", "no Windows on ARM, no macOS on x86"),
    "simplejpeg": ("simplejpeg", "MIT", "no musl"),
}


def pictures() -> dict[str, Pixels]:
    """A digit, and a photograph in three sizes with an overlay each."""
    found = {"28 gray": np.asarray(Image.open(next(_DIGIT.glob("*.png"))).convert("L"))}
    photograph = Image.open(_DATA / "chelsea.png").convert("RGB")
    random = np.random.default_rng(0)
    cam = np.asarray(Image.fromarray(random.random((3, 3), np.float32)).resize((7, 7)))
    for width, height in ((64, 64), (224, 224), (1080, 720)):
        resized = np.asarray(photograph.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        # an enlarged photograph lacks the noise of a real one
        noise = random.normal(0, 2, resized.shape) if width > photograph.width else 0
        pixels = (resized + noise).clip(0, 255).astype(np.uint8)
        name = f"{width}" if width == height else f"{width} x {height}"
        found[f"{name} photograph"] = pixels
        found[f"{name} overlay"] = next(overlays([pixels], cam[np.newaxis]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    shown = pictures()
    print(f"{machine()}; NumPy {np.__version__}, zlib {zlib.ZLIB_RUNTIME_VERSION}")
    for form, encoders in ENCODERS.items():
        print(f"\n### Encoding {form}: milliseconds, kB\n")
        _print_table(
            shown, encoders, arguments.rounds, lambda pixels: pixels, lambda data: f" / {len(data) / 1000:.1f}"
        )
    for form, decoders in DECODERS.items():
        print(f"\n### Decoding {form}: milliseconds\n")
        _print_table(shown, decoders, arguments.rounds, SOURCES[form], lambda _: "")
    print("\n### Libraries\n")
    print("| library | version | license | wheels | MB installed | import, ms beyond NumPy |\n" + "| --- " * 6 + "|")
    for name, (module, license_name, wheels) in LIBRARIES.items():
        found = distribution(name)
        size = sum(file.size or 0 for file in found.files or ()) / 1e6
        row = (name, found.version, license_name, wheels, f"{size:.1f}", f"{_import_milliseconds(module):.0f}")
        print(f"| {' | '.join(row)} |")
    print("\n### Who lets other threads run\n")
    big = shown["1080 x 720 photograph"]
    for kind, codecs, prepared in (("encoding", ENCODERS, dict.fromkeys(ENCODERS, big)), ("decoding", DECODERS, None)):
        for form, calls in codecs.items():
            given = prepared[form] if prepared else SOURCES[form](big)
            holding = [name for name, call in calls.items() if not _releases_lock(call, given)]
            print(f"- {kind} {form}: {'all but ' + '; '.join(holding) if holding else 'all'}")


def _print_table(
    shown: Mapping[str, Pixels],
    calls: Mapping[str, Codec],
    rounds: int,
    prepare: Codec,
    remark: Callable[[Any], str],
) -> None:
    """One row a codec, one column a picture."""
    rows: dict[str, list[str]] = {name: [] for name in calls}
    for pixels in shown.values():
        given = prepare(pixels)
        for name, milliseconds in _milliseconds(calls, given, rounds).items():
            rows[name].append(f"{milliseconds:.3g}{remark(calls[name](given))}")
    print(f"| | {' | '.join(shown)} |\n" + "| --- " * (len(shown) + 1) + "|")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")


def _milliseconds(calls: Mapping[str, Codec], given: Any, rounds: int) -> dict[str, float]:
    """Processor time of this thread a call, the least of interleaved rounds."""
    once = {name: _thread_seconds(call, given, 1) for name, call in calls.items()}
    repeats = {name: max(1, round(_SECONDS_A_ROUND / seconds)) for name, seconds in once.items()}
    for _ in range(rounds):
        for name, call in calls.items():
            once[name] = min(once[name], _thread_seconds(call, given, repeats[name]))
    return {name: 1000 * seconds for name, seconds in once.items()}


def _thread_seconds(call: Codec, given: Any, repeats: int) -> float:
    start = time.thread_time()
    for _ in range(repeats):
        call(given)
    return (time.thread_time() - start) / repeats


def _releases_lock(call: Codec, given: Any) -> bool:
    """Whether another thread gets on during a call, although nobody would take the lock away from it."""
    count, stop = 0, False

    def work() -> None:
        nonlocal count
        while not stop:
            count += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)
    thread = threading.Thread(target=work)
    thread.start()
    before = count
    call(given)
    during = count - before
    stop = True
    thread.join()
    sys.setswitchinterval(interval)
    return during > 20  # a few turns are those of allocations and of opening


def _import_milliseconds(module: str) -> float:
    code = f"import numpy, time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    runs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True) for _ in range(5)]
    return 1000 * min(float(run.stdout) for run in runs)


if __name__ == "__main__":
    main()
