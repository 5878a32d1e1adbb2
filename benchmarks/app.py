"""What `whylight app` takes: a million rows, the first and later answers of a click, and 64 clients at a time.

    python benchmarks/app.py [--rows 1000000] [--clients 64] [--seconds 30] [--clicks 20] [--model FILE]

The app runs in a process of its own; what is measured is what a client sees on the loopback device. Of a server on
Linux the peak of its memory is said too.
"""

import argparse
import http.client
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode

import numpy as np
from measuring import machine
from models import efficientnet_lite0
from PIL import Image

SAMPLE = Path(__file__).parents[1] / "src" / "whylight" / "samples" / "mnist"
PHOTOGRAPHS = 20


class Client:
    """One client with a connection of its own."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def get(self, path: str, **values: Any) -> Any:
        return self._answer("GET", f"{path}?{urlencode(values)}", None)

    def post(self, path: str, **values: Any) -> Any:
        return self._answer("POST", path, json.dumps(values))

    def _answer(self, method: str, path: str, body: str | None) -> Any:
        self.connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = self.connection.getresponse()
        content = json.loads(answer.read())
        if answer.status not in (200, 202):
            raise RuntimeError(f"{path}: {answer.status}: {content}")
        return content


@contextmanager
def app(folder: Path) -> Iterator[tuple[int, int]]:
    """The app of a folder: its process and its port."""
    command = [sys.executable, "-m", "whylight", "app", str(folder), "--port", "0", "--no_browser"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.readline()
    found = re.search(r":(\d+)/", said)
    assert found, said
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        yield process.pid, int(found[1])
    finally:
        process.terminate()
        process.wait(30)


def peak_memory(process: int) -> float:
    """In MiB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def seconds_of(call: Any, *words: Any, **values: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = call(*words, **values)
    return time.perf_counter() - start, answer


def many_rows(folder: Path, count: int) -> None:
    shutil.copytree(SAMPLE, folder)
    header, *lines = (folder / "output_result.csv").read_text("utf-8").splitlines()
    with (folder / "output_result.csv").open("w", encoding="utf-8") as file:
        file.write(f"{header},note\n")
        file.writelines(f"{lines[row % len(lines)]},note {row}\n" for row in range(count))
    with app(folder) as (process, port):
        client, table = Client(port), {"table": "output_result.csv"}
        start = time.perf_counter()
        while "names" not in (answer := client.get("/api/table", **table)):
            time.sleep(0.2)
        print(f"{answer['rows']} rows indexed in {time.perf_counter() - start:.1f} s", flush=True)
    with app(folder) as (process, port):
        client = Client(port)
        start = time.perf_counter()
        while "names" not in client.get("/api/table", **table):
            time.sleep(0.02)
        client.get("/api/rows", **table, count=100)
        print(f"opened again: facts and first page in {time.perf_counter() - start:.2f} s")
        for name, view in {
            "wrong rows": {"result": "wrong"},
            "least confident first": {"sort": "unsure"},
            "a class, most confident first": {"truth": 7, "sort": "confident"},
            "a confidence range": {"from": 50, "to": 99},
            "text": {"text": "note 99999"},
            "text that all have, by class": {"text": "note", "sort": "class"},
        }.items():
            taken, answer = seconds_of(client.get, "/api/rows", **table, **view, count=100)
            again, _ = seconds_of(client.get, "/api/rows", **table, **view, start=100, count=100)
            print(f"{name}: {taken:.2f} s, its next page {again:.3f} s ({answer['total']} rows)")
        print(f"peak memory of the server: {peak_memory(process):.0f} MiB")


def clicks(folder: Path, model: Path, count: int) -> None:
    folder.mkdir()
    shutil.copy(model, folder)
    generator = np.random.default_rng(0)
    for index in range(PHOTOGRAPHS):
        pixels = generator.integers(0, 255, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).resize((640, 480)).save(folder / f"{index}.jpg")
    with app(folder) as (process, port):
        client = Client(port)
        while "names" not in client.get("/api/table"):
            time.sleep(0.02)
        taken, facts = seconds_of(client.get, "/api/model", model=model.name)
        print(f"{model.name}: its facts in {taken:.2f} s", flush=True)
        time.sleep(2)  # a person looks at the page
        asked = {"model": model.name, "image": {"row": 1}}
        taken, answer = seconds_of(client.post, "/api/explain", **asked)
        print(f"first answer: {1000 * taken:.0f} ms")
        times = []
        for number in range(count):
            asked = {"model": model.name, "image": {"row": 1 + number % PHOTOGRAPHS}, "class_index": number}
            times.append(seconds_of(client.post, "/api/explain", **asked)[0])
        print(
            f"later answers, another image each: median {1000 * median(times):.0f} ms, worst {1000 * max(times):.0f} ms"
        )
        layer = facts["layers"][-1]["name"]
        taken, _ = seconds_of(client.post, "/api/explain", **asked, layer=layer)
        print(f"another layer: {1000 * taken:.0f} ms")
        values = {**asked, "rectangle": [0.3, 0.3, 0.6, 0.6], "classes": [answer["class_index"]]}
        del values["class_index"]
        taken, _ = seconds_of(client.post, "/api/cover", **values)
        print(f"a rectangle covered: {1000 * taken:.0f} ms; peak memory of the server: {peak_memory(process):.0f} MiB")


def many_clients(folder: Path, model: Path, clients: int, seconds: float) -> None:
    times: list[float] = []
    problems: list[str] = []
    with app(folder) as (process, port):
        first = Client(port)
        while "names" not in first.get("/api/table"):
            time.sleep(0.02)
        first.get("/api/model", model=model.name)
        first.post("/api/explain", model=model.name, image={"row": 1})
        end = time.perf_counter() + seconds

        def ask(number: int) -> None:
            client, chance = Client(port), random.Random(number)
            while time.perf_counter() < end:
                row = chance.randint(1, PHOTOGRAPHS)
                try:
                    taken, _ = seconds_of(client.post, "/api/explain", model=model.name, image={"row": row})
                    times.append(taken)
                except Exception as error:
                    problems.append(repr(error))
                    return

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        memory = peak_memory(process)
    median_time, slow = (quantiles(times, n=100)[share] for share in (49, 94))
    print(
        f"{clients} clients for {seconds:g} s: {len(times)} answers, {len(problems)} errors, "
        f"{len(times) / seconds:.1f} a second; a client waits {median_time:.2f} s (median), {slow:.2f} s (95 of 100), "
        f"{max(times):.2f} s (longest); peak memory of the server: {memory:.0f} MiB"
    )
    for problem in problems[:3]:
        print(problem)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--model", type=Path, help="default: an EfficientNet-Lite0 with random weights")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = arguments.model or efficientnet_lite0(folder / "lite0.nnp")
        if arguments.clicks:
            clicks(folder / "photographs", model, arguments.clicks)
            many_clients(folder / "photographs", model, arguments.clients, arguments.seconds)
        if arguments.rows:
            many_rows(folder / "rows", arguments.rows)


if __name__ == "__main__":
    main()
