"""The page that explains without a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.api.given import method_names
from whylight.api.models import loaded
from whylight.files.storage import path_of
from whylight.options import Chosen, ModelOptions, Options, Output, Question

if TYPE_CHECKING:
    from whylight.api.models import ModelLike
    from whylight.web.page import PageSummary


def write_page(
    model: ModelLike,
    output: str | Path,
    methods: str | Sequence[str] = "gradcam",
    *options: Options,
    parameters: str | Path | None = None,
    **fields: Any,
) -> PageSummary:
    """Write a page that explains images in the browser: the network runs there, and no image leaves the machine.

    ONNX Runtime Web is fetched from an npm registry once, and kept in the cache's folder.

    Args:
        model: see `load`; or a `Classifier`.
        output: the folder to write, for any web server; or, with ``single``, the HTML file.
        methods: names of methods of one pass; they share the pass.
        *options: `PageOptions`, `Question` (of several layers each can be chosen), `Output`; `ModelOptions` for a file.
        parameters: see `load`.
        **fields: fields of these.

    Raises:
        WhylightError: as `compile`; or a method takes several passes, the model takes no pictures, ONNX Runtime Web
            cannot be fetched, or the output cannot be written.
    """
    from whylight.web.options import PageOptions
    from whylight.web.page import write_page

    chosen = Chosen(options, fields, PageOptions, ModelOptions, Question, Output)
    classifier = loaded(model, parameters, chosen[ModelOptions])
    names = method_names(methods)
    return write_page(classifier, names, path_of(output), chosen[Question], chosen[PageOptions], chosen[Output])
