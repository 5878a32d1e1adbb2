"""Videos in and out, by FFmpeg."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from files.videos import clip
from whylight.errors import WhylightError
from whylight.files.budget import VARIABLE
from whylight.files.finding import is_video
from whylight.files.video import reading_video, writing_video

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")


@pytest.mark.parametrize("name", ["a b.mp4", "動画.mov", "c.mkv", "d.webm", "e.avi"])
def test_frames_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    frames = clip(tmp_path / name)
    with reading_video(tmp_path / name) as video:
        assert (video.rate, video.count) == (25, 12)
        found = list(video.frames)
    errors = np.abs(np.array(found, int) - np.array(frames, int)).mean((1, 2, 3))
    assert (errors < 3).all(), "the coding loses something, but less than the next frame differs, 8"


@pytest.mark.parametrize("rate", [12, 25, 30000 / 1001, 24000 / 1001, 59.94, 14.5])
def test_the_rate_is_kept(tmp_path: Path, rate: float) -> None:
    clip(tmp_path / "a.mp4", rate=rate)
    with reading_video(tmp_path / "a.mp4") as video:
        with writing_video(tmp_path / "b.mp4", video.rate) as writer:
            for frame in video.frames:
                writer.send(frame)
        assert video.rate == pytest.approx(rate, rel=2e-5)
    with reading_video(tmp_path / "b.mp4") as again:
        assert again.rate == video.rate
        assert len(list(again.frames)) == 12
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mkv", ".mov"])
def test_frames_of_odd_size_are_written_whole(tmp_path: Path, suffix: str) -> None:
    frame = np.full((31, 47, 3), (200, 60, 20), np.uint8)
    with writing_video(tmp_path / f"a{suffix}", 10) as writer:
        for _ in range(3):
            writer.send(frame)
        writer.send(frame[:29])  # one that is smaller
    with reading_video(tmp_path / f"a{suffix}") as video:
        found = np.array(list(video.frames))
    assert found.shape == (4, 32, 48, 3)
    assert np.abs(found.astype(int) - (200, 60, 20)).max() < 12


@pytest.mark.parametrize(("turn", "shape"), [(0, (32, 48, 3)), (90, (48, 32, 3)), (180, (32, 48, 3))])
def test_a_phones_video_is_upright(tmp_path: Path, turn: int, shape: tuple[int, ...]) -> None:
    frames = clip(tmp_path / "a.mp4", count=2)
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-display_rotation", str(turn)]
    subprocess.run([*program, "-i", "a.mp4", "-c", "copy", "b.mp4"], cwd=tmp_path, check=True)
    with reading_video(tmp_path / "b.mp4") as video:
        found = next(video.frames)
    assert found.shape == shape
    assert np.abs(found.astype(int) - np.rot90(frames[0], turn // 90)).mean() < 4


def test_what_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with writing_video(tmp_path / "a.mp4", 10) as writer:
            writer.send(np.zeros((32, 32, 3), np.uint8))
            raise WhylightError("enough")

    with pytest.raises(WhylightError, match="enough"):
        fail()
    assert not list(tmp_path.iterdir())


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("nothing\n")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    clip(tmp_path / "cut.mp4")
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "cut.mp4").read_bytes()[:600])
    for name in ("text.mp4", "list.mp4", "cut.mp4"):
        with (
            pytest.raises(WhylightError, match=rf"{name}: cannot be read as a video: ") as caught,
            reading_video(tmp_path / name) as video,
        ):
            list(video.frames)
        assert "\n" not in str(caught.value)
    with pytest.raises(WhylightError, match=r"none\.mp4: no such file"), reading_video(tmp_path / "none.mp4"):
        pass


def test_frames_larger_than_memory_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip(tmp_path / "a.mp4", count=2, size=(640, 960))
    monkeypatch.setenv(VARIABLE, "8M")
    with pytest.raises(WhylightError, match=r"a\.mp4: "), reading_video(tmp_path / "a.mp4") as video:
        list(video.frames)
    monkeypatch.setenv(VARIABLE, "64M")
    with reading_video(tmp_path / "a.mp4") as video:
        assert len(list(video.frames)) == 2


def test_what_reads_videos_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(WhylightError, match=r"pip install 'whylight\[video\]'"), reading_video(tmp_path / "a.mp4"):
        pass


def test_names_of_videos() -> None:
    assert is_video("clip.MP4")
    assert is_video("https://example.org/clip.webm?t=3")
    assert not is_video("clip.gif")
