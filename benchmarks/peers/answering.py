"""What a script in a peers' environment answers: which models there are, and one request after another."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path


def serve(sizes: Callable[[], Mapping[str, float]], exporters: Mapping[str, Callable[[str, Path], None]]) -> None:
    """Answer as `coverage.py` asks the script of a source.

    ``list`` prints as JSON which models there are to export, and how. ``export`` takes requests of model, exporter and
    folder, see `answer`, and writes ``model.onnx`` there; and ``model.pt2``, the exported program, if it is PyTorch's.

    Args:
        sizes: gives the number of parameters of each model.
        exporters: by name, take the name of a model and the folder.
    """
    match sys.argv[1:]:
        case ["list"]:
            found = sizes()
            print(
                json.dumps([{"model": name, "export": how, "size": found[name]} for name in found for how in exporters])
            )
        case ["export"]:
            answer(lambda name, how, folder: exporters[how](name, Path(folder)))
        case _:
            raise SystemExit("expected 'list' or 'export'")


def answer(function: Callable[..., None]) -> None:
    """Call the function for every line of input, a JSON list of its arguments, and answer with a line each.

    The answer is ``null``, or what went wrong, as JSON. What the function prints goes where errors go.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        try:
            function(*json.loads(line))
            problem = None
        except (Exception, SystemExit) as error:
            lines = [text.strip() for text in str(error).splitlines() if text.strip()]
            problem = f"{type(error).__name__}: {lines[0] if lines else ''}"
        print(json.dumps(problem), file=answers, flush=True)
