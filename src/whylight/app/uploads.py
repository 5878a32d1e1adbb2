"""Images that were given to the page: kept in files of their own for as long as the app runs."""

from __future__ import annotations

import io
import secrets
import shutil
import tempfile
import warnings
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from whylight import api
from whylight.errors import WhylightError

_MOST = 32
"""Images that are kept; the first ones go."""
_MOST_PIXELS = 100_000_000
_LONGEST_NAME = 100


class Uploads:
    """The images that were given."""

    def __init__(self) -> None:
        """Begin with none."""
        self._folder = Path(tempfile.mkdtemp(prefix="whylight-"))
        self._files: OrderedDict[str, Path] = OrderedDict()
        self._lock = Lock()

    def add(self, content: bytes, name: str) -> dict[str, object]:
        """Keep an image.

        Args:
            content: the file's content.
            name: what it is called; its ending tells formats that do not show in the content, such as ``.dcm``.

        Raises:
            WhylightError: it is no image, or has too many pixels.
        """
        if not content:
            raise WhylightError("an empty file: expected an image")
        name = "".join(each for each in name.replace("\\", "/").rpartition("/")[2] if each.isprintable())
        name = name[-_LONGEST_NAME:] or "image"
        _check_pixels(content, name)
        suffix = Path(name).suffix.lower()
        key = secrets.token_urlsafe(16)
        path = self._folder / f"{key}{suffix if suffix in ('.dcm', '.npy') else ''}"
        path.write_bytes(content)
        try:
            width, height = api.image_size(path)
        except WhylightError as error:
            path.unlink()
            raise WhylightError(str(error).replace(str(path), name)) from error
        with self._lock:
            self._files[key] = path
            while len(self._files) > _MOST:
                _, oldest = self._files.popitem(last=False)
                oldest.unlink(missing_ok=True)
        return {"upload": key, "name": name, "width": width, "height": height}

    def file(self, key: str) -> Path:
        """The file of an image.

        Raises:
            WhylightError: it is not kept, or not any more.
        """
        with self._lock:
            if key not in self._files:
                raise WhylightError("no such image: it was not given, or others have taken its place; give it again")
            return self._files[key]

    def close(self) -> None:
        """Remove all."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _check_pixels(content: bytes, name: str) -> None:
    """See how many pixels an image has before it is decoded; where Pillow does not know its format, the reader does.

    Raises:
        WhylightError: they are too many.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        width = height = _MOST_PIXELS  # Pillow's own limit is above
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return
    if width * height > _MOST_PIXELS:
        raise WhylightError(f"{name}: more than {_MOST_PIXELS // 1_000_000} million pixels: expected a smaller image")
