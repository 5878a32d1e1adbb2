"""Worker processes: they end with their parent, whatever they are at."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batch.datasets import dataset

PROCESSES = Path("/proc")
SLOW = """
import importlib.abc, sys, time

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "onnxruntime":
            time.sleep(4)

if any("spawn_main" in word for word in sys.orig_argv):
    sys.meta_path.insert(0, Slow())
"""
"""Has workers take their time to begin, as they do on a busy machine: Python runs it when it starts."""


def children_of(parent: int) -> list[int]:
    """The worker processes of a run."""
    found = []
    for path in PROCESSES.glob("[0-9]*"):
        try:
            state, its_parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            is_worker = b"spawn_main" in (path / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if int(its_parent) == parent and is_worker and state != "Z":
            found.append(int(path.name))
    return found


def lives(process: int) -> bool:
    try:
        return (PROCESSES / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not PROCESSES.is_dir(), reason="processes are looked at in /proc")
@pytest.mark.parametrize("moment", ["as they start", "as they import", "at work"])
def test_workers_end_at_once_when_their_parent_is_killed(tmp_path: Path, moment: str) -> None:
    table = dataset(tmp_path / "a", rows=8000)
    command = [sys.executable, "-m", "whylight", "gradcam-batch", "--workers", "2", "--batch_size", "16", "-q"]
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    paths = [str(tmp_path)] * (moment == "as they import") + os.environ.get("PYTHONPATH", "").split(os.pathsep)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    run = subprocess.Popen(
        command, cwd=table.parent, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    workers: list[int] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        workers = children_of(run.pid)
        if workers and (moment != "at work" or any(table.parent.glob("gradcam/0000/30?.png"))):
            break
        time.sleep(0.01)
    assert workers
    if moment != "at work":
        time.sleep(0.2 if moment == "as they start" else 1.5)  # Python itself has to be there
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    killed = time.monotonic()
    while any(map(lives, workers)) and time.monotonic() < killed + 10:
        time.sleep(0.01)
    assert time.monotonic() - killed < 1
