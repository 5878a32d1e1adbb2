"""Videos, frame by frame."""

import json
from pathlib import Path

import numpy as np
import pytest

import whylight
from files.videos import clip
from reading.nnp.networks import small_classifier
from whylight.cli import main
from whylight.errors import WhylightError
from whylight.files.video import reading_video

pytest.importorskip("imageio_ffmpeg")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    small_classifier(tmp_path / "results.nnp")
    (tmp_path / "names.txt").write_text("犬\n猫\n鳥\n", encoding="utf-8")
    clip(tmp_path / "旅 1.mp4", count=11, rate=30000 / 1001, size=(96, 144))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_each_frame_is_explained_as_it_would_be_alone(here: Path, batch_size: int) -> None:
    explainer = whylight.explainer("results.nnp", cache=False, batch_size=batch_size)
    told: list[int] = []
    summary = whylight.explain_video(explainer, "旅 1.mp4", "out.mp4", 2, expect=told.append, advance=told.append)
    assert told[0] == sum(told[1:]) == summary.frames == 11
    with reading_video(here / "旅 1.mp4") as video:
        explanations = explainer(list(video.frames), 2)
    with reading_video(here / "out.mp4") as video:
        found = np.array(list(video.frames), int)
    expected = np.array([np.asarray(one.overlay().convert("RGB")) for one in explanations], int)
    assert np.abs(found - expected).mean() < 4
    assert np.abs(found - expected[::-1]).mean() > 8, "in their order"
    assert sum(summary.predicted.values()) == 11
    assert summary.predicted == {
        index: [one.predicted for one in explanations].count(index) for index in summary.predicted
    }


def test_the_command_keeps_the_rate_and_says_what_is_seen(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["gradcam", "旅 1.mp4", "--model", "results.nnp", "--labels", "names.txt"]
    assert main([*words, "-c", "猫"]) == 0
    said = capsys.readouterr().out
    assert "frames       11, 29.97 a second" in said
    assert "overlays     grad_cam.mp4" in said
    with reading_video(here / "grad_cam.mp4") as video:
        assert video.rate == 30000 / 1001
        assert [frame.shape for frame in video.frames] == [(96, 144, 3)] * 11
    assert main([*words, "-o", "out.webm", "--json", "--title"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["frames"], facts["output"]) == (11, "out.webm")
    assert {each["class_name"] for each in facts["predicted"]} <= set("犬猫鳥")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["旅 1.mp4", "-o", "a.png"], r"a.png: expected a video to write: a name that ends in one of .mp4"),
        (["旅 1.mp4", "-o", "旅 1.mp4"], "would be written over"),
        (["旅 1.mp4", "-c", "1", "-c", "2"], "given 2 times: this command explains one class"),
        (["旅 1.mp4", "-c", "7"], "class index 7 is out of range"),
        (["旅 1.mp4", "names.mp4", "-o", "a.csv"], "旅 1.mp4: a video: 'whylight gradcam' explains the frames of one"),
        (["none.mp4"], "none.mp4: no such file"),
    ],
)
def test_what_is_wrong_with_a_video_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    before = sorted(here.iterdir())
    assert main(["gradcam", *words, "--model", "results.nnp"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert sorted(here.iterdir()) == before


def test_a_video_is_no_table(here: Path) -> None:
    with pytest.raises(WhylightError, match="a video: 'whylight gradcam' explains the frames of one at a time"):
        whylight.explain_dataset("results.nnp", "旅 1.mp4", "gradcam.csv")
