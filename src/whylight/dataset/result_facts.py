"""What is true of all overlays of a result: kept in a file beside them, so that what shows them can say it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from whylight.contract import Origin
from whylight.errors import WhylightError
from whylight.files.checks import reading
from whylight.options import SCORES

FILE = "explained.json"
"""In the folder of the overlays. Pictures of a folder that holds it are results, and never images to be explained."""
MADE = "made"
"""The file's entry that says what the run has made: see `whylight.batch.made`."""


@dataclass(frozen=True)
class ResultFacts:
    """What is true of all overlays of a result.

    Attributes:
        origin: who named the classes that are explained; where a row names none it is the predicted one.
        variable: the variable that names them; None for the predicted ones.
        method: the method's name.
        layer: the target layer's name; empty for a method that looks at none.
        model: the name of the model's file.
        score: ``logit`` or ``output``: what was differentiated.
        class_names: the classes' names; empty where they have none.
    """

    origin: Origin
    variable: str | None
    method: str
    layer: str
    model: str
    score: str
    class_names: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """As a file holds them."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode()

    @classmethod
    def of(cls, folder: Path) -> ResultFacts | None:
        """Those of a folder of overlays; None where it has none: an earlier version wrote it.

        Raises:
            WhylightError: the file is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        with reading(path):
            content = path.read_bytes()
        try:
            held: dict[str, Any] = json.loads(content)
            held.pop(MADE, None)
            facts = cls(**{**held, "class_names": tuple(held["class_names"])})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise WhylightError(f"{path}: damaged: run gradcam-batch again, or remove it") from error
        texts = [facts.variable or "", facts.method, facts.layer, facts.model, *facts.class_names]
        is_known = facts.origin in get_args(Origin) and facts.score in SCORES
        if not is_known or not all(isinstance(text, str) for text in texts):
            raise WhylightError(f"{path}: damaged: run gradcam-batch again, or remove it")
        return facts
