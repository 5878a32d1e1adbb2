"""The page: the explainer, the facts about it, ONNX Runtime Web and the panel, in a folder or in one HTML file."""

from __future__ import annotations

import base64
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from whylight.compiling.compiler import compile_maps
from whylight.contract import ExplainerFacts
from whylight.drawing.colormaps import COLORMAPS
from whylight.drawing.render import colorize
from whylight.errors import WhylightError
from whylight.files.checks import check_file, one_line, reading
from whylight.files.marks import PAGE, signature
from whylight.files.storage import local_path_of
from whylight.files.writing import check_folder, check_output, replacing, replacing_folder
from whylight.methods import method_named, methods
from whylight.options import Output, Question
from whylight.page.compose import parts, templates
from whylight.web.options import PageOptions
from whylight.web.runtime import LICENSE, WASM, WEBGPU, runtime_files

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier

INDEX = "index.html"
_EXPLAINER = "explainer.onnx"
_RUNTIME, _IMAGES = "runtime", "images"
_OF_BROWSERS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP")
"""What they show, as Pillow calls it."""
_COLORED = (1, 3)
_LARGEST_SINGLE = 256 * 2**20
"""Bytes of an explainer in one HTML file: browsers hold no text that is much longer."""
_COLORS = 256
_REPLACING = Output()


@dataclass(frozen=True)
class PageSummary:
    """What a page is made of.

    Attributes:
        output: the folder, or the HTML file.
        maps: method and layer of each map that it can show; no layer where the method looks at none.
        bytes: of all of it.
        loaded: bytes that a browser loads before the first explanation, without a graphics processor.
    """

    output: Path
    maps: tuple[tuple[str, str], ...]
    bytes: int
    loaded: int

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        maps = [{"method": method, "layer": layer or None} for method, layer in self.maps]
        return {"output": str(self.output), "maps": maps, "bytes": self.bytes, "loaded": self.loaded}


def write_page(
    classifier: Classifier,
    names: Sequence[str],
    output: str | Path,
    question: Question,
    options: PageOptions,
    replacing_results: Output = _REPLACING,
) -> PageSummary:
    """Write a page that explains images by some methods, in the browser, without a server that computes.

    Folder or file appear when all is done.

    Args:
        classifier: the model.
        names: of the methods, the one that is shown first before the others.
        output: the folder to write, or the HTML file of a ``single`` page.
        question: what is asked about a class; of several layers each can be chosen.
        options: what the page is made of.
        replacing_results: what becomes of a page that is there.

    Raises:
        WhylightError: a method takes several passes, the model takes no pictures or cannot be explained, an image is
            none that browsers show, or the output cannot be written, or is there from something else.
    """
    place = local_path_of(output)
    _check_place(place, classifier, options, replacing_results)
    _check_question(classifier, names, question)
    images = {name: _image(path) for name, path in _named(options.images).items()}
    wanted = [
        (name, layer)
        for name in dict.fromkeys(method_named(name).name for name in names)
        for layer in (question.layers if method_named(name).sees_layer else (None,))
    ]
    graph = compile_maps(classifier, wanted, question).SerializeToString()
    facts = ExplainerFacts.of(graph)
    builds = (WASM,) if options.single else (WASM, WEBGPU)
    files = {_EXPLAINER: graph, **images}
    files |= {f"{_RUNTIME}/{name}": content for name, content in runtime_files(*builds).items()}
    if options.single and len(graph) > _LARGEST_SINGLE:
        raise WhylightError(
            f"{place}: the network has {len(graph) >> 20} MiB, and a single page may have {_LARGEST_SINGLE >> 20}: "
            "leave the option 'single' out"
        )
    page = _facts(classifier, facts, _named(options.images), has_webgpu=WEBGPU in builds)
    if options.single:
        html = _html(classifier, page, files, is_single=True)
        with replacing(place) as file:
            file.write(html)
        size = loaded = len(html)
    else:
        html = _html(classifier, page, {}, is_single=False)
        files |= {INDEX: html, f"{_RUNTIME}/LICENSE": LICENSE.encode()}
        with replacing_folder(place, signature(PAGE), replacing_results.overwrite) as folder:
            for name, content in files.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
        size = sum(map(len, files.values()))
        first = (INDEX, _EXPLAINER, f"{_RUNTIME}/{WASM.module}", f"{_RUNTIME}/{WASM.binary}")
        loaded = sum(len(files[name]) for name in first)
    return PageSummary(place, tuple((one.method, one.layer) for one in facts.maps), size, loaded)


def _check_place(place: Path, classifier: Classifier, options: PageOptions, output: Output) -> None:
    """See, before the work begins, that the page can be written.

    Raises:
        WhylightError: it cannot, or something else is there.
    """
    sources = (classifier.path, *options.images)
    if options.single:
        if not place.suffix:
            raise WhylightError(f"{place}: expected an HTML file to write, such as {place}.html")
        check_output(place, PAGE, sources, output.overwrite)
    else:
        if place.suffix.lower() in (".html", ".htm"):
            raise WhylightError(f"{place}: expected a folder to write; the option 'single' writes one HTML file")
        check_folder(place, signature(PAGE), output.overwrite)


def _check_question(classifier: Classifier, names: Sequence[str], question: Question) -> None:
    """See that a page can answer.

    Raises:
        WhylightError: it would take several passes, or something else than a picture.
    """
    if not names:
        raise WhylightError("no method is named: expected names, such as 'gradcam,layercam'")
    fitting = ", ".join(one.name for one in methods().values() if one.driver is None)
    for name in names:
        if method_named(name).driver is not None:
            raise WhylightError(f"method '{name}' takes several passes: a page computes methods of one: {fitting}")
    if question.smooth:
        raise WhylightError("a smoothed map takes several passes: a page computes maps of one: leave 'smooth' out")
    facts = classifier.input
    if not facts.is_picture or facts.channels not in _COLORED:
        found = f"{facts.kind}s" if not facts.is_picture else f"pictures of {facts.channels} channels"
        raise WhylightError(f"{classifier.path}: the model takes {found}: a page needs a model of gray or RGB pictures")


def _named(paths: Sequence[str]) -> dict[str, Path]:
    """Images by their names in the page."""
    found = [local_path_of(path) for path in paths]
    return {f"{_IMAGES}/{number:04}{path.suffix.lower()}": path for number, path in enumerate(found, 1)}


def _image(path: Path) -> bytes:
    """An image file as it is, so that a browser shows what Python reads.

    Raises:
        WhylightError: it is missing, or in a format that browsers do not show.
    """
    check_file(path)
    with reading(one_line(path), "an image"):
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            found = image.format
    if found not in _OF_BROWSERS:
        raise WhylightError(f"{path}: a {found} image: expected one that browsers show: {', '.join(_OF_BROWSERS)}")
    return content


def _facts(
    classifier: Classifier, facts: ExplainerFacts, images: Mapping[str, Path], has_webgpu: bool
) -> dict[str, Any]:
    """What the page's script reads: see `web_source.js`."""
    named = {one.method: method_named(one.method) for one in facts.maps}
    layers = {layer.name: layer for layer in classifier.layers}
    shown = dict.fromkeys(one.layer for one in facts.maps if one.layer)
    stated = asdict(facts)
    stated["input"]["height"], stated["input"]["width"] = stated["input"].pop("size")
    return {
        "explainer": stated,
        "model": {
            "name": facts.model,
            "classes": facts.class_count,
            "names": facts.class_names,
            "layers": [
                {
                    "name": name,
                    "type": layers[name].type if name in layers else "",
                    "shape": list(classifier.tensors[layers[name].tensor].shape) if name in layers else [],
                    "isDefault": name == facts.maps[0].layer,
                }
                for name in shown
            ],
            "methods": [
                {"name": name, "summary": one.summary, "passes": 1, "takesLayer": one.sees_layer}
                for name, one in named.items()
            ],
            "method": facts.maps[0].method,
            "isFree": False,
            "problem": "",
        },
        "signed": [name for name, one in named.items() if one.is_signed],
        "colormaps": {name: _shades(name) for name in COLORMAPS},
        "parts": {
            "explainer": _EXPLAINER,
            "wasm": {"module": f"{_RUNTIME}/{WASM.module}", "binary": f"{_RUNTIME}/{WASM.binary}"},
            "webgpu": {"module": f"{_RUNTIME}/{WEBGPU.module}"} if has_webgpu else None,
        },
        "images": [{"name": path.name, "part": name} for name, path in images.items()],
    }


def _shades(colormap: str) -> str:
    """Its colors, RGB, in base64."""
    colors = colorize(np.linspace(0, 1, _COLORS, dtype=np.float32), colormap)
    return base64.b64encode(colors.round().astype(np.uint8).tobytes()).decode()


def _html(classifier: Classifier, page: dict[str, Any], inside: Mapping[str, bytes], is_single: bool) -> bytes:
    text = templates.get_template("web.html").render(
        name=classifier.path.name,
        generator=signature(PAGE),
        own="" if is_single else "'self'",
        modules="blob:" if is_single else "'self'",
        inside={name: base64.b64encode(gzip.compress(content, mtime=0)).decode() for name, content in inside.items()},
        page=page,
        **parts("web"),
    )
    return text.encode(errors="replace")
