"""What may be chosen about a page that explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whylight.options import Options, names, option


@dataclass(frozen=True)
class PageOptions(Options):
    """What a page that explains is made of.

    Attributes:
        image: image files that the page begins with: they become part of it.
        single: write one HTML file that opens by a double click, in place of a folder for a web server: the network and
            ONNX Runtime Web are inside.
    """

    image: str | Sequence[str] | None = option(
        None, "images that the page begins with; they become part of it", metavar="FILE", parse=names, several=True
    )
    single: bool = option(False, "write one HTML file that opens by a double click, in place of a folder for a server")

    @property
    def images(self) -> tuple[str, ...]:
        """The image files, one or several."""
        if self.image is None:
            return ()
        return (self.image,) if isinstance(self.image, str) else tuple(self.image)
