"""Videos for tests, made by FFmpeg alone."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")


def clip(path: Path, count: int = 12, rate: float = 25, size: tuple[int, int] = (32, 48)) -> list[NDArray[np.uint8]]:
    """A video (height, width) whose frames get lighter from left to right, and from one to the next."""
    height, width = size
    path.parent.mkdir(parents=True, exist_ok=True)
    row = np.linspace(20, 120, width)[np.newaxis, :, np.newaxis]
    frames = [np.broadcast_to(row + 8 * index, (height, width, 3)).astype(np.uint8) for index in range(count)]
    codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
    writer = imageio_ffmpeg.write_frames(str(path), (width, height), fps=rate, macro_block_size=2, codec=codec)
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    return frames
