"""The calls: each one function, which says what comes in and what goes out; `/docs` has them for people."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import numpy as np
from fastapi import BackgroundTasks, Body, FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from whylight import api
from whylight.app import pages
from whylight.app.batches import Batch, Batches
from whylight.app.folder import Folder
from whylight.app.models import Models, OpenedModel
from whylight.app.options import AppOptions
from whylight.app.questions import (
    OfImage,
    OfModel,
    OfRow,
    OfRows,
    OfTable,
    Subject,
    ToAverage,
    ToCover,
    ToExplain,
    ToFile,
    ToReport,
    ToRun,
    ToSave,
)
from whylight.app.safety import Safety
from whylight.app.table_index import View
from whylight.app.tables import Tables
from whylight.app.uploads import Uploads
from whylight.errors import Cancelled, WhylightError, printable
from whylight.options import Rendering

_BETWEEN_LOOKS = 0.1
"""Seconds after which it is looked again whether a client still waits."""
_THUMBNAIL = 96
_AS_IT_IS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
"""Images that every browser shows upright."""
_LARGEST_EDGE = 8192
_SHORT_WHILE = "private, max-age=60"

_Result = TypeVar("_Result")


class Problem(BaseModel):
    """What is wrong."""

    error: str


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "what is asked for is not there, or cannot be done; the message says why",
        401: "the token is missing or wrong",
        403: "another site's page may not ask",
        404: "there is no such call, or nothing of that name",
        413: "too much is sent",
        422: "a value is not what the call takes",
    }.items()
}


class _Gone(Exception):  # noqa: N818  # it is no fault
    """Whoever asked does not wait any more."""


class App:
    """What the calls share: the folder, and what is open of it."""

    def __init__(self, folder: Folder, cache: Path) -> None:
        """Open nothing yet."""
        self.folder = folder
        self.tables = Tables(folder, cache)
        self.models = Models()
        self.batches = Batches()
        self.uploads = Uploads()

    def close(self) -> None:
        """Stop all that is under way, and remove what was given."""
        self.batches.close()
        self.tables.close()
        self.uploads.close()

    def model(self, asked: OfModel) -> OpenedModel:
        """The model that is meant."""
        parameters = self.folder.file(asked.parameters) if asked.parameters else None
        return self.models.opened(self.folder.file(asked.model), parameters, self.tables.labels(asked.labels))

    def image(self, asked: Subject | OfImage, kind: str = "image") -> tuple[Path, str]:
        """The file of the image that is meant, and its name for people."""
        if asked.upload:
            return self.uploads.file(asked.upload), "image.png"
        if asked.row is None:
            raise WhylightError("no image is named: expected a row of a table, or an upload")
        image, overlay = self.tables.index(asked.name).files(asked.row)
        name = image if kind == "image" else overlay
        if name is None:
            raise WhylightError(f"row {asked.row}: it names no {kind}")
        return self.folder.file(name), name


async def _in_turn(request: Request, model: OpenedModel, work: Callable[[Event], _Result]) -> _Result:
    """Compute when all that came before has been computed; what nobody waits for any more is left.

    Raises:
        _Gone: the client is not there any more.
    """
    async with model.turn:
        if await request.is_disconnected():
            raise _Gone
        gone = Event()
        watching = asyncio.create_task(_watch(request, gone))
        try:
            return await run_in_threadpool(work, gone)
        except Cancelled:
            raise _Gone from None
        finally:
            watching.cancel()


async def _warm_up(model: OpenedModel) -> None:
    """Get ready for the first click, while a person looks at the page."""
    with suppress(WhylightError):  # which the first question is told
        async with model.turn:
            await run_in_threadpool(model.warm_up)


async def _watch(request: Request, gone: Event) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(_BETWEEN_LOOKS)
    gone.set()


def create_app(folder: Path, options: AppOptions, cache: Path | None = None) -> FastAPI:
    """The app as any ASGI server runs it.

    Args:
        folder: what it opens.
        options: who may use it.
        cache: where indexes of tables are kept; by default beside the compiled explainers.

    Raises:
        WhylightError: there is no such folder.
    """
    app = App(Folder.at(folder), api.cache_content().folder / "tables" if cache is None else cache)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(app.close)

    server = FastAPI(
        title="whylight app",
        version=api.__version__,
        summary="See why an image classifier decided: tables, explanations, batches of the folder that is open.",
        description="All paths are relative to that folder, with `/`. What is wrong is said in one line, `error`.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEMS,
    )
    server.add_middleware(Safety, options=options)
    _say_what_is_wrong(server)
    _add_pages(server, app, options)
    _add_tables(server, app)
    _add_explanations(server, app)
    _add_batches(server, app)
    return server


def _say_what_is_wrong(server: FastAPI) -> None:
    def say(status: int, reason: str) -> JSONResponse:
        return JSONResponse({"error": printable(reason)}, status)

    @server.exception_handler(WhylightError)
    async def _(_: Request, error: Exception) -> Response:
        return say(400, str(error))

    @server.exception_handler(RequestValidationError)
    async def _(_: Request, error: Exception) -> Response:
        first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": str(error)}
        place = ".".join(str(part) for part in first["loc"][1:])
        return say(422, f"{place}: {first['msg']}" if place else str(first["msg"]))

    @server.exception_handler(HTTPException)
    async def _(_: Request, error: Exception) -> Response:
        return say(getattr(error, "status_code", 400), str(getattr(error, "detail", error)))

    @server.exception_handler(MemoryError)
    async def _(_: Request, __: Exception) -> Response:
        return say(400, "there is not enough memory for it")

    @server.exception_handler(_Gone)
    async def _(_: Request, __: Exception) -> Response:
        return Response(status_code=400)  # nobody reads it


def _add_pages(server: FastAPI, app: App, options: AppOptions) -> None:
    @server.get("/", include_in_schema=False)
    def page() -> Response:
        return pages.app_page(app.folder.root.name, options.token)

    @server.get("/docs", include_in_schema=False)
    def documentation() -> Response:
        return pages.documentation(server.openapi())

    @server.get("/report/{name:path}", include_in_schema=False)
    def report(name: str) -> Response:
        return pages.report(app.folder, name)


def _add_tables(server: FastAPI, app: App) -> None:
    @server.get("/api/folder")
    def folder() -> dict[str, Any]:
        """What the folder holds: ``models``, ``tables``, ``labels``, and what to begin with: ``model``, ``table``."""
        return {**app.folder.content(), "version": api.__version__}

    @server.get("/api/table", responses={202: {"description": "it is being indexed: so many rows are done"}})
    def table(asked: Annotated[OfTable, Query()]) -> Any:
        """What is true of all rows of a table: counts, confusions, classes that occur.

        Of a new table it takes a while: ask again until the status is 200.
        """
        indexing = app.tables.current(asked.name)
        try:
            facts = indexing.index.result(timeout=0.2)
        except TimeoutError:
            return JSONResponse({"done": indexing.done, "rows": indexing.rows}, 202)
        return {name: value for name, value in facts.facts.items() if name not in ("form", "check")}

    @server.get("/api/rows")
    def rows(asked: Annotated[OfRows, Query()]) -> dict[str, Any]:
        """Some rows of a table, in an order, and the ``total`` of those that fit the filter."""
        found, total = app.tables.index(asked.name).rows(asked.view, asked.start, asked.count)
        return {"rows": [_row(asked, each) for each in found], "total": total}

    @server.get("/api/row")
    def row(asked: Annotated[OfRow, Query()]) -> dict[str, Any]:
        """One ``row``, null where there is none, and the numbers of those ``before`` and ``after`` it, 0 for none."""
        found, before, after = app.tables.index(asked.name).row(asked.view, asked.number)
        return {"row": found and _row(asked, found), "before": before, "after": after}

    @server.get(
        "/api/image",
        response_class=Response,
        responses={200: {"content": {kind: {} for kind in ("image/png", "image/jpeg", "image/webp")}}},
    )
    def image(asked: Annotated[OfImage, Query()]) -> Response:
        """An image, upright: of a row of a table, or one that was given."""
        path, _ = app.image(asked, asked.kind)
        kind = _AS_IT_IS.get(path.suffix.lower())
        if asked.size == 0 and kind is not None:
            content = path.read_bytes()
        else:
            content, kind = api.image_copy(path, asked.size or _LARGEST_EDGE), "image/webp"
        return Response(content, media_type=kind, headers={"Cache-Control": _SHORT_WHILE})

    @server.post("/api/upload")
    def upload(
        content: Annotated[bytes, Body(media_type="application/octet-stream")] = b"",
        name: Annotated[str, Query(max_length=1000, description="what the file is called")] = "",
    ) -> dict[str, Any]:
        """Give an image, the file as the body: answers how other calls name it (``upload``), its width and height."""
        return app.uploads.add(content, name)


def _row(asked: OfTable, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the page takes it: see ``Row`` in `page/source.js`."""

    def address(kind: str, size: int) -> str | None:
        if entry[kind] is None:
            return None
        given = asdict(asked.name)
        more = {"row": entry["number"], "kind": "overlay" if kind == "overlay" else "", "size": size or ""}
        return f"/api/image?{urlencode({name: value for name, value in (given | more).items() if value})}"

    kept = ("number", "truth", "predicted", "explained", "confidence", "error", "cells")
    return {
        **{name: entry[name] for name in kept},
        "image": address("image", 0),
        "overlay": address("overlay", 0),
        "name": entry["image"] or "",
        "overlay_name": entry["overlay"] or "",
        "thumbnail": address("image", _THUMBNAIL),
        "overlay_thumbnail": address("overlay", _THUMBNAIL),
    }


def _add_explanations(server: FastAPI, app: App) -> None:
    @server.get("/api/model")
    async def model(request: Request, later: BackgroundTasks, asked: Annotated[OfModel, Query()]) -> dict[str, Any]:
        """What may be asked of a model: its classes, layers and methods; ``problem`` says why nothing can."""
        opened = app.model(asked)
        facts = await _in_turn(request, opened, lambda _: opened.facts())
        later.add_task(_warm_up, opened)
        return {**facts, "colormaps": pages.colormaps()}

    @server.post("/api/explain")
    async def explain(request: Request, asked: ToExplain) -> dict[str, Any]:
        """Explain an image: the class, its probability, the most probable classes, and the ``map``.

        The map's ``values`` are float32 in [0, 1], little endian, row by row, in base64.
        """
        opened, (image, name) = app.model(asked), await run_in_threadpool(app.image, asked.image)
        started = asyncio.get_running_loop().time()
        found = await _in_turn(request, opened, lambda gone: opened.explain(image, asked.asked, gone))
        return {
            **found.to_dict(),
            "map": _map(found.cam),
            "crop": list(found.crop),
            "seconds": asyncio.get_running_loop().time() - started,
            "notes": _notes(found.cam),
            "command": opened.command(name, asked.model, found, asked.asked),
        }

    @server.post("/api/cover")
    async def cover(request: Request, asked: ToCover) -> dict[str, Any]:
        """The ``probabilities`` of classes, and the ``top`` ones, where a rectangle of the image is covered.

        It takes the image's mean color.
        """
        opened, (image, _) = app.model(asked), await run_in_threadpool(app.image, asked.image)
        probabilities, names = await _in_turn(request, opened, lambda _: opened.covered(image, asked.rectangle))
        if wrong := [index for index in asked.classes if index >= len(probabilities)]:
            raise WhylightError(f"class {wrong[0]}: the model has classes 0 to {len(probabilities) - 1}")

        def guesses(indices: Any) -> list[dict[str, Any]]:
            return [
                {
                    "class_index": int(index),
                    "class_name": names[index] if names else None,
                    "probability": _finite(probabilities[index]),
                }
                for index in indices
            ]

        return {"probabilities": guesses(asked.classes), "top": guesses(np.argsort(-probabilities, kind="stable")[:5])}

    @server.post(
        "/api/file",
        response_class=Response,
        responses={200: {"content": {"image/png": {}, "application/octet-stream": {}}}},
    )
    async def file(request: Request, asked: ToFile) -> Response:
        """Explain an image, and have the overlay as a PNG file, or the map as an .npy file."""
        look, opened = Rendering(alpha=asked.alpha, colormap=asked.colormap), app.model(asked)
        image, _ = await run_in_threadpool(app.image, asked.image)

        def drawn(gone: Event) -> bytes:
            found, content = opened.explain(image, asked.asked, gone), io.BytesIO()
            if asked.format == "npy":
                np.save(content, found.cam)
            else:
                found.overlay(look).save(content, "PNG")
            return content.getvalue()

        content = await _in_turn(request, opened, drawn)
        kind = "image/png" if asked.format == "png" else "application/octet-stream"
        named = {"Content-Disposition": f'attachment; filename="explanation.{asked.format}"'}
        return Response(content, media_type=kind, headers=named)

    @server.post("/api/save")
    async def save(request: Request, asked: ToSave) -> dict[str, Any]:
        """Explain an image, and write the overlay into the folder. What whylight did not make is not written over."""
        look, opened = Rendering(alpha=asked.alpha, colormap=asked.colormap), app.model(asked)
        output = app.folder.place(asked.output)
        image, _ = await run_in_threadpool(app.image, asked.image)
        await _in_turn(request, opened, lambda gone: opened.explain(image, asked.asked, gone).save(output, look))
        return {"output": app.folder.name_of(output)}

    @server.post("/api/mean")
    async def mean(request: Request, asked: ToAverage) -> dict[str, Any]:
        """The mean ``map`` of the images of a class, and of how many ``images`` it is."""
        opened = app.model(asked)
        index = await run_in_threadpool(app.tables.index, asked.name)
        found, _ = await run_in_threadpool(index.rows, View(truth=asked.truth), 0, asked.count)
        images = [app.folder.file(each["image"]) for each in found if each["image"] is not None]
        if not images:
            raise WhylightError(f"class {asked.truth}: the table has no images of it")
        total, crop = None, tuple[float, ...]()
        for image in images:  # others have their turn between them
            one = await _in_turn(request, opened, lambda gone, image=image: opened.explain(image, asked.asked, gone))  # type: ignore[misc]
            total, crop = one.cam.astype(np.float64) + (0 if total is None else total), one.crop
        assert total is not None
        return {"map": _map((total / len(images)).astype(np.float32)), "crop": list(crop), "images": len(images)}


def _map(cam: Any) -> dict[str, Any]:
    if cam.ndim != 2:
        raise WhylightError(f"a map of {cam.ndim} axes: the page shows pictures' alone; use 'whylight gradcam'")
    values = base64.b64encode(np.ascontiguousarray(cam, "<f4").tobytes()).decode()
    return {"rows": cam.shape[0], "columns": cam.shape[1], "values": values}


def _notes(cam: Any) -> list[str]:
    """What a person should know of a map."""
    if not cam.any():
        return ["the map is zero everywhere: nothing speaks for the class; another layer, method or class may"]
    if cam.min() == cam.max():
        return ["the map is the same everywhere: it tells no place from another; another layer or method may"]
    return []


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _add_batches(server: FastAPI, app: App) -> None:
    def batch_named(name: str) -> Batch:
        batch = app.batches.named(name)
        if batch is None:
            raise HTTPException(404, f"no batch '{name[:100]}'")
        return batch

    @server.post("/api/batch")
    def start(asked: ToRun) -> dict[str, Any]:
        """Explain every row of a table: an overlay each, and the table with the column ``gradcam``.

        One that was stopped goes on. Ask /api/batch/{name} how it goes.
        """
        root = app.folder.root
        model, output = app.folder.file(asked.model), app.folder.place(asked.output)
        table = app.folder.file(asked.input) if asked.input else root
        parameters = app.folder.file(asked.parameters) if asked.parameters else None
        labels = app.tables.labels(asked.labels)
        if output.suffix.lower() != ".csv":
            raise WhylightError(f"{asked.output}: expected a CSV to write, such as gradcam.csv")

        def run(batch: Batch) -> Any:
            return api.explain_dataset(
                model,
                api.open_dataset(table, root),
                output,
                method=asked.method,
                parameters=parameters,
                say=batch.say,
                expect=batch.expect,
                advance=batch.advance,
                cancel=batch.cancel,
                layer=asked.layer or None,
                labels=labels,
                input_variable=asked.input_variable or None,
                label_variable=asked.label_variable or None,
                predicted=asked.predicted,
                on_error=asked.on_error,
                overwrite=asked.overwrite,
                workers=1,
            )

        return app.batches.start(app.folder.name_of(output), run).to_dict()

    @server.get("/api/batch/{name}")
    def batch(name: str) -> dict[str, Any]:
        """How a batch goes: ``state`` is waiting, running, done, cancelled or failed; ``done`` of ``rows``."""
        return batch_named(name).to_dict()

    @server.post("/api/batch/{name}/cancel")
    def cancel(name: str) -> dict[str, Any]:
        """Stop a batch. What is done is kept: the same batch, asked for again, goes on."""
        found = batch_named(name)
        found.cancel.set()
        return found.to_dict()

    @server.get("/api/batches")
    def batches() -> dict[str, Any]:
        """All ``batches`` since the app began, the last one first."""
        return {"batches": [each.to_dict() for each in app.batches.all()]}

    @server.post("/api/report")
    def report(asked: ToReport) -> dict[str, Any]:
        """Write the page about the result of a batch beside it: see 'whylight report'. It is shown at /report/..."""
        table = app.folder.file(asked.table)
        output = app.folder.place(str(Path(asked.table).with_suffix(".html")))
        api.write_report(table, output, labels=app.tables.labels(asked.labels), overwrite=asked.overwrite)
        name = app.folder.name_of(output)
        return {"output": name, "address": f"/report/{pages.quoted(name)}"}
