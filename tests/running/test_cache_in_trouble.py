"""A cache that others may write, that is full, emptied or strewn with odd files: never wrong, never in the way."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import whylight
from reading.nnp.networks import small_classifier
from whylight.cli import main
from whylight.errors import WhylightWarning
from whylight.options import Execution
from whylight.running import cache, session

NEEDS_ROOT = pytest.mark.skipif(getattr(os, "getuid", lambda: 1)() != 0, reason="only root gives files away")


def overlay() -> bytes:
    """What the command writes in a process of its own, which has to end."""
    words = [sys.executable, "-m", "whylight", "gradcam", "--image", "image.png"]
    subprocess.run(words, check=True, timeout=60, capture_output=True)
    return Path("grad_cam.png").read_bytes()


def kept(folder: Path) -> Path:
    (entry,) = folder.glob("*.explainer")
    return entry


def cached(make: Callable[[], bytes] | None = None) -> whylight.Explainer:
    def compiled() -> bytes:
        return whylight.compile("results.nnp").SerializeToString()

    return cache.cached_explainer(Path("results.nnp"), None, {}, make or compiled, Execution())


def not_made() -> bytes:
    raise AssertionError("the entry is there")


# ---- what killed runs leave


KILLED = """
import os, signal, sys
from whylight.running import session
session.write_optimized = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from whylight.cli import main
main(["gradcam", "--image", "image.png"])
"""


@pytest.mark.parametrize("next_one", ["a run", "cache --clear"])
def test_what_a_killed_run_leaves_is_removed(folder: Path, here: Path, next_one: str) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED], check=False, timeout=60).returncode < 0
    assert [path.name[:1] for path in folder.iterdir()] == ["."], "it was killed while it wrote"
    if next_one == "a run":
        overlay()
        assert [path.suffix for path in folder.iterdir()] == [".explainer"]
    else:
        assert main(["cache", "--clear"]) == 0
        assert list(folder.iterdir()) == []


def test_what_another_run_is_writing_stays(folder: Path, here: Path) -> None:
    folder.mkdir(0o700)
    with cache._workplace() as place:
        (place / "new").mkdir()
        cached()
        assert main(["cache", "--clear"]) == 0
        assert (place / "new").is_dir()
    assert list(folder.iterdir()) == []


# ---- odd files


def fifo(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    (path / "below").mkdir(parents=True)


def deep_json(path: Path) -> None:
    path.write_text("[" * 200_000)


def a_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unreadable(path: Path) -> None:
    path.write_bytes(b"{}")
    path.chmod(0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("name", ["facts.json", "graph.onnx", ""])
@pytest.mark.parametrize("odd", [fifo, a_folder, deep_json, a_link, unreadable])
def test_an_odd_file_in_place_of_an_entry_is_no_reason_to_stop(
    folder: Path, here: Path, name: str, odd: Callable[[Path], None]
) -> None:
    cached()
    entry = kept(folder)
    place = entry / name
    if name == "":
        shutil.rmtree(entry)
    else:
        place.unlink(missing_ok=True)
    odd(place)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(cached).result(60)  # a pipe has no end: it must not be waited for
    assert "key" in json.loads((kept(folder) / "facts.json").read_text())
    assert {path.name for path in kept(folder).iterdir()} == {"facts.json", "graph.onnx"}, "it is made again"
    assert main(["cache"]) == 0
    assert main(["cache", "--clear"]) == 0
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no such sockets here")
def test_a_socket_is_no_reason_to_stop(folder: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached()
    entry = kept(folder)
    (entry / "facts.json").unlink()
    monkeypatch.chdir(entry)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("facts.json")
    monkeypatch.chdir(here)
    cached()
    assert (kept(folder) / "facts.json").is_file()


@pytest.mark.parametrize(
    "facts",
    [
        "null",
        "[]",
        "3",
        '{"key": 3}',
        "NaN",
        '"' + "x" * 10**6,
        '{"outside": 3, "key": "KEY"}',
        '{"outside": {"a": []}}',
    ],
)
def test_facts_that_are_none_are_no_reason_to_stop(folder: Path, here: Path, facts: str) -> None:
    cached()
    (kept(folder) / "facts.json").write_text(facts.replace("KEY", kept(folder).stem))
    cached()
    assert json.loads((kept(folder) / "facts.json").read_text())["key"] == kept(folder).stem


# ---- whose it is


def test_entries_are_the_users_alone(folder: Path, here: Path) -> None:
    before = os.umask(0)
    try:
        cached()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, kept(folder), *kept(folder).iterdir())}
    assert {*modes.values()} == {0o700, 0o600}
    assert cached(not_made).facts.class_count == 3


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
@pytest.mark.parametrize("name", [".", "graph.onnx", "facts.json"])
def test_an_entry_that_others_may_write_is_made_again(folder: Path, here: Path, name: str, mode: int) -> None:
    cached()
    (kept(folder) / name).chmod(mode)
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return whylight.compile("results.nnp").SerializeToString()

    cached(make)
    assert made
    cached(not_made)


@NEEDS_ROOT
@pytest.mark.parametrize("name", [".", "graph.onnx", "facts.json"])
def test_an_entry_of_another_user_is_made_again(folder: Path, here: Path, name: str) -> None:
    cached()
    os.chown(kept(folder) / name, 12345, 12345)
    with pytest.raises(AssertionError):
        cached(not_made)
    cached()
    assert (kept(folder) / name).stat().st_uid == 0
    cached(not_made)


@pytest.mark.parametrize("whose", ["all", pytest.param("another's", marks=NEEDS_ROOT)])
def test_a_folder_that_others_may_write_is_not_used(folder: Path, here: Path, whose: str) -> None:
    cached()
    if whose == "all":
        folder.chmod(0o777)
    else:
        os.chown(folder, 12345, 12345)
    with pytest.warns(WhylightWarning, match="not kept for the next start: others may write there"):
        assert isinstance(cached().graph, bytes)


def test_an_entry_under_the_name_of_another_is_not_used(folder: Path, here: Path) -> None:
    cached()
    first = kept(folder)
    key = first.stem
    assert len(key) == 64
    small_classifier(here / "results.nnp", classes=5)
    cached()
    (second,) = set(folder.glob("*.explainer")) - {first}
    shutil.rmtree(second)
    shutil.copytree(first, second)
    assert cached().facts.class_count == 5


# ---- a full disk, and a cache that is emptied


def _full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("place", [(session, "write_optimized"), (cache, "_make_folder"), (Path, "write_text")])
def test_a_full_disk_is_said_and_no_reason_to_fail(
    folder: Path, here: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str]
) -> None:
    expected = whylight.load("results.nnp").explainer()("image.png", 1)
    monkeypatch.setattr(*place, _full)
    with pytest.warns(WhylightWarning, match=f"not kept for the next start: {os.strerror(errno.ENOSPC)}"):
        found = cached()("image.png", 1)
    np.testing.assert_array_equal(found.cam, expected.cam)
    assert list(folder.glob("*")) == []


@NEEDS_ROOT
def test_a_file_system_without_room(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        monkeypatch.setenv("WHYLIGHT_CACHE", str(disk / "cache"))
        small_classifier(here / "results.nnp", classes=2000)
        with pytest.warns(WhylightWarning, match="not kept for the next start"):
            cached()("image.png", 1)
        assert list((disk / "cache").iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("large", [0, 2**40])
@pytest.mark.parametrize("what", ["call", "content", "digest", "threads", "names"])
def test_a_cache_that_is_emptied_after_it_was_read(
    folder: Path, here: Path, monkeypatch: pytest.MonkeyPatch, what: str, large: int
) -> None:
    monkeypatch.setattr(cache, "_LARGE_GRAPH", large)
    expected = whylight.load("results.nnp").explainer()("image.png", 1)
    cached()
    explainer = cached()
    cache.clear()
    assert list(folder.iterdir()) == []
    if what == "content":
        explainer = whylight.Explainer(explainer.content())
    elif what == "digest":
        assert explainer.digest()
    elif what == "threads":
        explainer = explainer.with_threads(1)
    elif what == "names":
        explainer = explainer.with_class_names(["a", "b", "c"])
    np.testing.assert_allclose(explainer("image.png", 1).cam, expected.cam, atol=1e-6)


def test_a_cache_that_is_emptied_while_it_is_opened(folder: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached()
    read = cache._read

    def read_and_emptied(key: str) -> Any:
        entry = read(key)
        cache.clear()
        return entry

    monkeypatch.setattr(cache, "_read", read_and_emptied)
    assert cached()("image.png", 1).cam.shape == (8, 8)


def test_runs_while_the_cache_is_emptied_again_and_again(folder: Path, here: Path) -> None:
    stop = threading.Event()

    def empty() -> None:
        while not stop.wait(0.001):
            cache.clear()

    thread = threading.Thread(target=empty)
    thread.start()
    try:
        for _ in range(20):
            assert cached()("image.png", 1).class_index == 1
    finally:
        stop.set()
        thread.join()
