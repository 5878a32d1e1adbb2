"""A video, frame by frame: one in, one with its overlays out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from whylight.class_names.lookup import name_of
from whylight.errors import WhylightError
from whylight.files.bands import image_of
from whylight.files.storage import is_remote, local_copy
from whylight.files.video import reading_video, writing_video
from whylight.images.pictures import picture_of
from whylight.options import ClassIndex, Rendering
from whylight.parallel import in_batches
from whylight.running.explainer import Explainer
from whylight.running.explanation import overlays


@dataclass(frozen=True)
class VideoSummary:
    """What was seen in a video.

    Attributes:
        frames: how many there are.
        rate: frames a second, of both videos.
        predicted: frames by the class that the model predicts, the most frequent one first.
        class_names: the classes' names; empty where they have none.
        output: the video with the overlays.
        device: what the network ran on.
    """

    frames: int
    rate: float
    predicted: dict[int, int]
    class_names: tuple[str, ...]
    output: Path
    device: str

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "frames": self.frames,
            "rate": self.rate,
            "predicted": [
                {"class_index": index, "class_name": name_of(index, self.class_names), "frames": count}
                for index, count in self.predicted.items()
            ],
            "device": self.device,
            "output": str(self.output),
        }


def explain_video(
    explainer: Explainer,
    video: Path,
    output: Path,
    class_index: ClassIndex,
    rendering: Rendering,
    expect: Callable[[int], None],
    advance: Callable[[int], None],
) -> VideoSummary:
    """Explain each frame: see `whylight.api.explain_video`."""
    facts = explainer.facts
    if not facts.input.is_picture:
        raise WhylightError(f"{video}: the model takes {facts.input.kind}s, not the frames of a video")
    explainer.checked_index(class_index)
    predicted: Counter[int] = Counter()
    with ExitStack() as stack:
        source = stack.enter_context(
            reading_video(stack.enter_context(local_copy(video)) if is_remote(video) else video)
        )
        expect(source.count)
        first = next(source.frames, None)
        if first is None:
            raise WhylightError(f"{video}: a video without frames")
        writer = stack.enter_context(writing_video(output, source.rate))
        for batch in in_batches(chain([first], source.frames), explainer.batch_size):
            pictures = [picture_of(frame, facts.input.channels) for frame in batch]
            explanations = explainer.explain(pictures, [class_index] * len(batch))
            for explanation, overlay in zip(explanations, overlays(explanations, rendering), strict=True):
                writer.send(np.asarray(image_of(overlay).convert("RGB")))
                predicted[explanation.predicted] += 1
            advance(len(batch))
    counts = dict(predicted.most_common())
    return VideoSummary(sum(counts.values()), source.rate, counts, facts.class_names, output, explainer.device)
