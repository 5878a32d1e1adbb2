"""What a model takes, of whatever a person or a program has: the one place that tells pictures from arrays."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.contract import InputFacts
from whylight.errors import WhylightError
from whylight.files.checks import reason
from whylight.files.storage import is_path, location
from whylight.images.arrays import array_inputs, array_of, read_array
from whylight.images.pictures import Picture, decoded, model_inputs, normalize, picture_of, read_picture
from whylight.images.reduced import Enough

ImageLike = str | Path | bytes | BinaryIO | Image.Image | NDArray[Any]
"""An image file: its path, its URL, its content, or an open file; a Pillow image; or an array: (H, W), (H, W, C) or
(C, H, W), uint8, uint16 or float in [0, 1], of numpy or of what can be turned into it, such as a PyTorch tensor.

For a model of signals or volumes a .npy or .csv file or an array in the model's own shape and range: (C, L) or (L, C),
(C, D, H, W) or (D, H, W, C), without C where that is 1.
"""


def is_image(value: object) -> bool:
    """Whether a value is one image rather than a sequence of them."""
    return isinstance(value, str | Path | bytes | Image.Image) or hasattr(value, "read") or hasattr(value, "__array__")


def read_image(image: ImageLike, facts: InputFacts, size: str | int = "original") -> Picture:
    """Decode an image to the model's channels.

    Args:
        image: see `ImageLike`.
        facts: the model's input.
        size: of the overlay that will be drawn, as `Rendering` has it: for small ones large JPEG files are decoded at
            reduced scale, but not where photographs are taken as they are stored.

    Raises:
        WhylightError: it cannot be read, or is nothing that the model takes.
    """
    match image:
        case str():
            return _read(location(image), facts, size)
        case Path():
            return _read(image, facts, size)
        case Image.Image() | np.ndarray():
            if not facts.is_picture:
                return array_of(image, facts)
            return picture_of(image, facts.channels, facts.exif_orientation)
        case bytes():
            return _decoded(image, "the image", facts, size)
    if is_path(image) and hasattr(image, "read_bytes"):
        return _read(cast(Path, image), facts, size)
    if hasattr(image, "read"):
        with _giving_pixels("the open file"):
            content = image.read()
        if isinstance(content, bytes):
            return _decoded(content, str(getattr(image, "name", "the open file")), facts, size)
        raise WhylightError(f"the open file gives {type(content).__name__}: open it for bytes, with mode 'rb'")
    if hasattr(image, "__array__"):
        with _giving_pixels(type(image).__name__):
            array = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
        return read_image(array, facts)
    raise WhylightError(
        f"found {type(image).__name__} in place of an image: expected a path, the content of a file, an open file, a "
        "Pillow image or an array"
    )


@contextmanager
def _giving_pixels(source: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # open files, tensors and arrays raise what they like
        raise WhylightError(f"{source} gives no image: {reason(error)}") from error


def prepared_inputs(pictures: Sequence[Picture], facts: InputFacts) -> NDArray[np.float32]:
    """Decoded images (N, C, H, W) as the model takes them: resized, in its range, normalized.

    Signals (N, C, L) and volumes (N, C, D, H, W) are normalized alone.
    """
    if facts.is_picture:
        inputs = model_inputs(pictures, (facts.height, facts.width), facts.maximum)
    else:
        inputs = array_inputs(pictures)
    normalize(inputs, facts.mean, facts.std, facts.channel_order)
    return inputs


def _read(path: Path, facts: InputFacts, size: str | int) -> Picture:
    if not facts.is_picture:
        return read_array(path, facts)
    return read_picture(path, facts.channels, facts.exif_orientation, _enough(facts, size))


def _decoded(content: bytes, source: str, facts: InputFacts, size: str | int) -> Picture:
    if not facts.is_picture:
        raise WhylightError(f"{source}: the model takes {facts.kind}s: expected a path or an array")
    enough = _enough(facts, size)
    return decoded(io.BytesIO(content), facts.channels, source, "", facts.exif_orientation, enough)


def _enough(facts: InputFacts, size: str | int) -> Enough | None:
    if size == "original" or not facts.exif_orientation:
        return None
    return Enough((facts.height, facts.width), max(facts.size) if size == "input" else int(size))
