"""Who may ask, what is served, and what a request may cost: a test for each line of what the app promises."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from whylight.app.options import AppOptions
from whylight.app.safety import LARGEST_QUESTION, LARGEST_UPLOAD
from whylight.app.server import create_app
from whylight.errors import WhylightError

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE, MODEL = "output_result.csv", "results.nnp"
QUESTION: dict[str, Any] = {"model": MODEL, "image": {"table": TABLE, "row": 1}}
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def secret(folder: Path) -> Path:
    """What lies beside the folder that is open."""
    (folder.parent / "secret.csv").write_text("x,y\na.png,0\n", encoding="utf-8")
    Image.new("L", (28, 28)).save(folder.parent / "secret.png")
    return folder.parent


# ---- who may ask


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8760", "127.0.0.1.evil.example", "", "192.168.0.7"])
def test_another_host_is_refused(client: TestClient, host: str) -> None:
    """DNS rebinding: a name of another site that means this machine."""
    assert client.get("/api/folder", headers={"Host": host}).status_code == 403
    assert client.get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8760", "127.0.0.1:1", "[::1]:8760", "LOCALHOST"])
def test_this_machine_is_not(client: TestClient, host: str) -> None:
    assert client.get("/api/folder", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:8760"])
def test_another_origin_is_refused(client: TestClient, folder: Path, origin: str) -> None:
    """Cross-site posts, with any content type."""
    for headers in ({}, {"Content-Type": "text/plain"}):
        body = b'{"model":"results.nnp","image":{"table":"output_result.csv","row":1},"output":"made.png"}'
        answer = client.post("/api/save", content=body, headers={"Origin": origin, **headers})
        assert answer.status_code == 403
    assert not (folder / "made.png").exists()


def test_the_pages_own_origin_is_not(client: TestClient) -> None:
    assert client.get("/api/folder", headers={"Origin": "http://127.0.0.1:8760"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_reads_nothing(client: TestClient, site: str) -> None:
    """Such as an image of the folder in another site's page; a link to the page may be followed."""
    assert (
        client.get("/api/image", params={"table": TABLE, "row": 1}, headers={"Sec-Fetch-Site": site}).status_code == 403
    )
    assert client.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200


@pytest.fixture
def guarded(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    """An app that other machines reach."""
    options = AppOptions(host="0.0.0.0", token="let me in")
    with TestClient(create_app(folder, options, tmp_path / "cache"), base_url="http://192.168.0.7:8760") as found:
        yield found


def test_others_need_the_token(guarded: TestClient) -> None:
    for path in ("/", "/docs", "/openapi.json", "/api/folder", "/report/x.html"):
        assert guarded.get(path).status_code == 401, path
    assert guarded.get("/api/folder", headers={"Authorization": "Bearer let me"}).status_code == 401
    assert guarded.get("/api/folder", headers={"Authorization": "Bearer let me in"}).status_code == 200
    assert guarded.get("/?token=wrong").status_code == 401
    opened = guarded.get("/?token=let%20me%20in")
    assert opened.status_code == 200
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert guarded.get("/api/folder").status_code == 200  # the cookie is kept


def test_a_name_needs_more_than_the_token(guarded: TestClient) -> None:
    headers = {"Authorization": "Bearer let me in", "Host": "evil.example"}
    assert guarded.get("/api/folder", headers=headers).status_code == 403


def test_by_default_no_other_machine_is_listened_to() -> None:
    assert AppOptions().host == "127.0.0.1"
    assert not AppOptions().is_for_others
    assert AppOptions(host="0.0.0.0").is_for_others
    with pytest.raises(WhylightError, match="port"):
        AppOptions(port=70000)


# ---- what is served


@pytest.mark.parametrize(
    "name", ["../secret.csv", "/etc/passwd", "images/../../secret.csv", "C:\\secret.csv", "s\0.csv"]
)
def test_nothing_outside_the_folder_is_read(client: TestClient, secret: Path, name: str) -> None:
    absolute = str(secret / "secret.csv")
    for path in (name, absolute, f"http://127.0.0.1:1/{name}", "file:///etc/passwd"):
        for values in ({"table": path}, {"table": TABLE, "labels": path}):
            answer = client.get("/api/rows", params=values)
            assert answer.status_code == 400, (values, answer.text)
        assert client.get("/api/model", params={"model": path}).status_code == 400
        assert client.post("/api/explain", json={**QUESTION, "model": path}).status_code == 400
        assert client.post("/api/batch", json={"model": MODEL, "input": path}).status_code == 400
        assert client.post("/api/report", json={"table": path}).status_code == 400


def test_no_link_leads_out(client: TestClient, folder: Path, secret: Path) -> None:
    try:
        (folder / "link.csv").symlink_to(secret / "secret.csv")
        (folder / "out").symlink_to(secret, target_is_directory=True)
    except OSError:
        pytest.skip("no links can be made here")
    assert "link.csv" not in client.get("/api/folder").json()["tables"]
    for name in ("link.csv", "out/secret.csv"):
        assert client.get("/api/rows", params={"table": name}).status_code == 400
    answer = client.post("/api/save", json={**QUESTION, "output": "out/made.png"})
    assert answer.status_code == 400
    assert not (secret / "made.png").exists()


def test_no_row_leads_out(client: TestClient, folder: Path, secret: Path) -> None:
    """A table of somebody else names images and labels anywhere."""
    (secret / "label.csv").write_text("3\n", encoding="utf-8")
    image = client.get("/api/row", params={"table": TABLE, "number": 1}).json()["row"]["name"]
    names = ["../secret.png", str(secret / "secret.png"), "http://127.0.0.1:1/a.png", "images/../../secret.png"]
    if hasattr(os, "symlink"):
        (folder / "link.png").symlink_to(secret / "secret.png")
        names.append("link.png")
    lines = ["x,y", *(f"{name},0" for name in names), f"{image},../label.csv"]
    (folder / "theirs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = client.get("/api/rows", params={"table": "theirs.csv"}).json()["rows"]
    for row in found[:-1]:
        assert row["image"] is None
        assert "outside the folder" in row["error"]
        asked = {"table": "theirs.csv", "row": row["number"]}
        assert client.get("/api/image", params=asked).status_code == 400
        assert client.post("/api/explain", json={"model": MODEL, "image": asked}).status_code == 400
    assert found[-1]["truth"] is None
    assert "outside the folder" in found[-1]["error"]
    started = client.post("/api/batch", json={"model": MODEL, "input": "theirs.csv", "output": "made.csv"}).json()
    while (state := client.get(f"/api/batch/{started['batch']}").json())["state"] in ("waiting", "running"):
        pass
    assert state["state"] == "failed"
    assert "outside the folder" in state["message"]


def test_a_link_that_is_made_later_leads_nowhere(client: TestClient, folder: Path, secret: Path) -> None:
    row = client.get("/api/row", params={"table": TABLE, "number": 1}).json()["row"]
    (folder / row["name"]).unlink()
    (folder / row["name"]).symlink_to(secret / "secret.png")
    assert client.get(row["image"]).status_code == 400


@pytest.mark.parametrize("output", ["../made.png", "/tmp/made.png", "a/../../made.png", "", ".", "made.exe"])
def test_nothing_outside_is_written(client: TestClient, secret: Path, output: str) -> None:
    before = sorted(path for path in secret.iterdir() if path.name != "cache")
    assert client.post("/api/save", json={**QUESTION, "output": output}).status_code == 400
    assert client.post("/api/batch", json={"model": MODEL, "input": TABLE, "output": output}).status_code == 400
    assert sorted(path for path in secret.iterdir() if path.name != "cache") == before


def test_reports_alone_are_shown_as_pages(client: TestClient, folder: Path) -> None:
    (folder / "theirs.html").write_text("<script>alert(1)</script>", encoding="utf-8")
    for name in ("theirs.html", TABLE, MODEL, "../secret.csv", "%2e%2e/secret.csv"):
        assert client.get(f"/report/{name}").status_code in (400, 403, 404), name


def test_a_page_with_a_reports_mark_runs_no_script_of_its_own(client: TestClient, folder: Path) -> None:
    from whylight.files.marks import PAGE, signature

    page = f'<meta name="generator" content="{signature(PAGE)}"><script>alert(1)</script>'
    (folder / "theirs.html").write_text(page, encoding="utf-8")
    policy = client.get("/report/theirs.html").headers["content-security-policy"]
    script = re.search("script-src ([^;]*);", policy)
    assert script
    assert re.fullmatch(r"'sha256-[\w+/=]+'", script[1])  # our own script's, and no other's
    assert "default-src 'none'" in policy


def test_the_policy_of_the_page_is_strict(client: TestClient) -> None:
    answer = client.get("/")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "http" not in answer.headers["content-security-policy"]
    for other in (client.get("/api/folder"), client.get("/nothing"), client.get("/", headers={"Host": "evil"})):
        assert other.headers["content-security-policy"].startswith("default-src 'none'")
        assert other.headers["x-content-type-options"] == "nosniff"


# ---- what a request may cost


def test_a_large_upload_is_refused(client: TestClient) -> None:
    answer = client.post("/api/upload", content=b"x", headers={**BYTES, "Content-Length": str(LARGEST_UPLOAD + 1)})
    assert answer.status_code == 413


def test_a_large_upload_that_does_not_say_so_is_refused(client: TestClient) -> None:
    pieces = (bytes(1 << 20) for _ in range((LARGEST_UPLOAD >> 20) + 1))
    assert client.post("/api/upload", content=pieces, headers=BYTES).status_code == 413
    assert client.post("/api/explain", content=bytes(LARGEST_QUESTION + 1)).status_code == 413


def test_an_image_of_too_many_pixels_is_refused(client: TestClient) -> None:
    """A PNG file of a few bytes that says it has a milliard pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40_000, 25_000, 8, 0, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    answer = client.post("/api/upload", content=bomb, headers=BYTES)
    assert answer.status_code == 400
    assert "pixels" in answer.json()["error"]


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"<svg onload='alert(1)'/>"], ids=repr)
def test_an_upload_that_is_no_image_is_refused(client: TestClient, content: bytes) -> None:
    answer = client.post("/api/upload", params={"name": "../../x.html"}, content=content, headers=BYTES)
    assert answer.status_code == 400, answer.text


def test_uploads_go_when_others_come_and_at_the_end(folder: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "PNG")
    with TestClient(create_app(folder, AppOptions(), tmp_path / "cache"), base_url="http://localhost") as client:
        names = [
            client.post("/api/upload", content=buffer.getvalue(), headers=BYTES).json()["upload"] for _ in range(33)
        ]
        assert client.get("/api/image", params={"upload": names[0]}).status_code == 400
        assert client.get("/api/image", params={"upload": names[-1]}).status_code == 200
        assert client.get("/api/image", params={"upload": "../x"}).status_code == 400


def test_a_model_file_is_data(client: TestClient, folder: Path) -> None:
    """A pickle, which would run code, is no model here whatever it is called."""
    import pickle

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(folder / "broken"),)

    for name in ("a.onnx", "a.nnp", "a.pt2"):
        (folder / name).write_bytes(pickle.dumps(Evil()))
        answer = client.get("/api/model", params={"model": name})
        assert answer.status_code == 400 or answer.json()["problem"]
        assert client.post("/api/explain", json={**QUESTION, "model": name}).status_code == 400
    assert not (folder / "broken").exists()
