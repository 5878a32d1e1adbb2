"""Videos: files in -> frames, frames in -> files; by FFmpeg, which imageio-ffmpeg finds or brings and runs."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from whylight.errors import WhylightError
from whylight.files.budget import budget, check_memory
from whylight.files.checks import check_file, one_line
from whylight.files.marks import VIDEO, signature
from whylight.files.writing import check_writable

WRITTEN = {".mp4": "libx264", ".m4v": "libx264", ".mov": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9"}
"""How the names of videos end that are written, and the codec of each."""

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frame: TypeAlias = NDArray[np.uint8]

_ONLY_FILES = ["-protocol_whitelist", "file,pipe"]
"""A video is one file: what it may name elsewhere, on the web too, is not opened."""
_BYTES = 40
"""What a pixel of a frame takes at most until its overlay is drawn, in FFmpeg too."""
_QUALITY = ["-crf", "18", "-b:v", "0"]
"""As good as it looks, however many bytes that takes."""
_NTSC = 1000 / 1001
_ROUNDED = 0.006
"""Of a rate that FFmpeg says with two digits behind the point."""


@dataclass(frozen=True)
class Video:
    """A video that is open.

    Attributes:
        rate: frames a second.
        count: how many frames there are, about; 0 where that is not known.
        frames: (H, W, 3) each, upright; read as they are asked for.
    """

    rate: float
    count: int
    frames: Iterator[Frame]


@contextmanager
def reading_video(path: Path) -> Iterator[Video]:
    """A video, for as long as the block lasts.

    Raises:
        WhylightError: it is missing or cannot be read, or imageio-ffmpeg is not installed.
    """
    import numpy as np

    ffmpeg = _ffmpeg(path)
    check_file(path)
    options = [*_ONLY_FILES, "-max_pixels", str(budget() // _BYTES)]  # of any frame: each may say its own size
    source: Generator[Any, None, None] = ffmpeg.read_frames(os.path.abspath(path), input_params=options)  # noqa: PTH100
    with closing(source):
        try:
            facts = next(source)
            width, height = facts["size"]
            rate, duration = _exact(float(facts["fps"])), float(facts["duration"])
        except Exception as error:  # it parses what FFmpeg says
            raise WhylightError(f"{one_line(path)}: cannot be read as a video: {_why(error)}") from error
        check_memory(path, f"a frame of {width} x {height} pixels", width * height * _BYTES)
        if not rate:
            raise WhylightError(f"{one_line(path)}: cannot be read as a video: it says no frame rate")

        def frames() -> Iterator[Frame]:
            try:
                for content in source:
                    yield np.frombuffer(content, np.uint8).reshape(height, width, 3)
            except Exception as error:  # it runs FFmpeg, and reads what comes
                raise WhylightError(f"{one_line(path)}: cannot be read as a video: {_why(error)}") from error

        yield Video(rate, round(duration * rate), frames())


@contextmanager
def writing_video(path: Path, rate: float) -> Iterator[Generator[None, Frame, None]]:
    """What takes frames (H, W, 3) of one size by ``send``; the video is there when the block ends well.

    Raises:
        WhylightError: the name's ending is that of no video, or it cannot be written.
    """
    ffmpeg = _ffmpeg(path)
    check_writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem[:40]}.{os.getpid()}.whylight.part{path.suffix}")
    try:
        with closing(_encoding(ffmpeg, path, temporary, rate)) as writer:
            next(writer)
            yield writer
        if temporary.exists():
            temporary.replace(path)
    except OSError as error:
        raise WhylightError(f"{path}: cannot be written: {_why(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def refuse_no_video(path: Path) -> None:
    """See that a name's ending is that of a video that can be written.

    Raises:
        WhylightError: it is not.
    """
    if path.suffix.lower() not in WRITTEN:
        raise WhylightError(f"{path}: expected a video to write: a name that ends in one of {', '.join(WRITTEN)}")


def _encoding(ffmpeg: Any, path: Path, temporary: Path, rate: float) -> Generator[None, Frame, None]:
    import numpy as np

    encoder = None
    try:
        while True:
            frame = yield
            if encoder is None:
                height, width = (extent + extent % 2 for extent in frame.shape[:2])  # colors are kept for 2 x 2 pixels
                encoder = ffmpeg.write_frames(
                    str(temporary),
                    (width, height),
                    fps=rate,
                    quality=None,
                    codec=WRITTEN[path.suffix.lower()],
                    macro_block_size=2,
                    output_params=[*_QUALITY, "-metadata", f"comment={signature(VIDEO)}"],
                )
                encoder.send(None)
            encoder.send(np.ascontiguousarray(_of_size(frame, height, width)))
    finally:
        if encoder is not None:
            encoder.close()


def _of_size(frame: Frame, height: int, width: int) -> Frame:
    """The frame, cut, or with its last row and column repeated."""
    import numpy as np

    cut = frame[:height, :width]
    missing = height - cut.shape[0], width - cut.shape[1]
    return np.pad(cut, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge") if any(missing) else cut


def _exact(rate: float) -> float:
    """29.97 is 30000 / 1001."""
    exact = round(rate) * _NTSC
    return exact if rate % 1 and abs(exact - rate) < _ROUNDED else rate


def _ffmpeg(path: Path) -> Any:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise WhylightError(
            f"{path}: a video: install what reads and writes it: pip install 'whylight[video]'"
        ) from None
    import logging

    logging.getLogger("imageio_ffmpeg").setLevel(logging.ERROR)
    return imageio_ffmpeg


def _why(error: BaseException) -> str:
    """The last line of what FFmpeg says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
