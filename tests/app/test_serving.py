"""The command itself: it listens, says where, and stops well; and the queue of a model."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from whylight.app.options import AppOptions
from whylight.app.serving import serve
from whylight.errors import WhylightError

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the address that it says."""
    command = [sys.executable, "-m", "whylight", "app", str(folder), "--port", "0", "--no-browser", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"http://\S+", said)
        assert found, said
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def asked(address: str, path: str, body: Any = None, timeout: float = 60) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address.rstrip('/')}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.loads(answer.read())


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C alone there")
def test_it_stops_well_on_ctrl_c_while_it_works(folder: Path) -> None:
    with running(folder) as (process, address):
        asked(address, "/api/rows?table=output_result.csv")
        header, *lines = (folder / "output_result.csv").read_text("utf-8").splitlines()
        (folder / "many.csv").write_text("\n".join([header, *lines * 500]) + "\n", encoding="utf-8")
        batch = asked(address, "/api/batch", {"model": "results.nnp", "input": "many.csv"})["batch"]
        while not asked(address, f"/api/batch/{batch}")["done"]:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=30)
        assert process.returncode == 0
        assert said.strip() == "stopped"
        assert "Traceback" not in complaints
        assert not (folder / "gradcam.csv").exists()


def test_another_address_is_told_with_a_token(folder: Path) -> None:
    with running(folder, "--host", "0.0.0.0") as (_, address):
        token = re.search(r"\?token=([\w-]{20,})$", address)
        assert token
        port = re.search(r":(\d+)/", address)
        assert port
        with pytest.raises(urllib.error.HTTPError, match="401"):
            asked(f"http://127.0.0.1:{port[1]}", "/api/folder")
        assert asked(f"http://127.0.0.1:{port[1]}", f"/api/folder?token={token[1]}")["name"] == "mnist"


def test_a_port_that_is_taken_is_said(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(WhylightError, match="choose another place"):
            serve(folder, AppOptions(port=other.getsockname()[1], browser=False), print)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match="expected a folder"):
        serve(tmp_path / "nothing", AppOptions(port=0, browser=False), print)


def test_a_question_whose_client_is_gone_is_dropped(folder: Path) -> None:
    """RISE takes 4000 passes: whoever comes after a client that is gone does not wait for them."""
    question = {"model": "results.nnp", "image": {"table": "output_result.csv", "row": 1}}
    with running(folder) as (_, address):
        asked(address, "/api/explain", question)
        asked(address, "/api/explain", {**question, "method": "score-cam"})
        start = time.perf_counter()
        asked(address, "/api/explain", {**question, "method": "rise"})
        alone = time.perf_counter() - start
        for _ in range(5):
            with pytest.raises(TimeoutError):
                asked(address, "/api/explain", {**question, "method": "rise"}, timeout=0.02)
        start = time.perf_counter()
        asked(address, "/api/explain", question)
        assert (
            time.perf_counter() - start < max(alone, 0.5) * 2
        )  # of five that were dropped none is computed to its end


def test_many_clients_are_all_answered(folder: Path) -> None:
    answers: list[int] = []
    with running(folder) as (_, address):

        def ask(row: int) -> None:
            image = {"table": "output_result.csv", "row": row}
            answers.append(asked(address, "/api/explain", {"model": "results.nnp", "image": image})["class_index"])

        threads = [threading.Thread(target=ask, args=(1 + number % 36,)) for number in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 100
