"""Whatever is sent to the calls that the OpenAPI document describes, none fails on the server's side."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from starlette.types import Receive, Scope, Send

from samples import BUNDLED
from whylight.app.options import AppOptions
from whylight.app.server import create_app

EXAMPLES = int(os.environ.get("WHYLIGHT_SCHEMA_EXAMPLES", "8"))
"""Of each call; ``WHYLIGHT_SCHEMA_EXAMPLES=120`` makes 2 000 calls of all."""
PLACE = Path(tempfile.mkdtemp())
NAMES = {"model": "results.nnp", "table": "output_result.csv", "input": "output_result.csv"}


@pytest.fixture(scope="module", autouse=True)
def _removed() -> Iterator[None]:
    shutil.copytree(BUNDLED / "mnist", PLACE / "mnist")
    yield
    shutil.rmtree(PLACE)


(PLACE / "mnist").mkdir()
app = create_app(PLACE / "mnist", AppOptions(host="testserver"), PLACE / "cache")
(PLACE / "mnist").rmdir()


async def app_without_end(scope: Scope, receive: Receive, send: Send) -> None:
    """The app, which schemathesis would start and end for each call."""
    if scope["type"] != "lifespan":
        await app(scope, receive, send)
        return
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})


schema = schemathesis.openapi.from_asgi("/openapi.json", app_without_end)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_no_call_fails(case: schemathesis.Case[Any]) -> None:
    for values in (case.query, case.body):
        if isinstance(values, dict) and len(str(values)) % 2:  # else next to nothing gets past the names of files
            values |= {name: value for name, value in NAMES.items() if name in values}
    answer = case.call()
    case.validate_response(answer, checks=[not_a_server_error])
    if answer.status_code >= 400:
        assert "\n" not in answer.json()["error"]
