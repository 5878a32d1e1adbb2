"""Grad-CAM (batch)

Shows for every image of a dataset where the network looked when it decided for the image's class.
A plugin of Neural Network Console that runs whylight, which needs no nnabla.

Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization
Ramprasaath R. Selvaraju, Michael Cogswell, Abhishek Das, Ramakrishna Vedantam, Devi Parikh, Dhruv Batra
Proceedings of the IEEE International Conference on Computer Vision, 2017.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys


def main():
    """Explain a dataset; the exit code is whylight's."""
    arguments = parser().parse_args()
    command = whylight() + [
        "gradcam-batch",
        "--input",
        arguments.input,
        "--model",
        arguments.model,
        "--input_variable",
        arguments.input_variable,
        "--label_variable",
        arguments.label_variable,
        "--output",
        arguments.output,
        "--overwrite",  # the Console asks for a result again by the same name
    ]
    if arguments.output_variable:
        command += ["--output_variable", arguments.output_variable]
    return run(command)


def parser():
    """The Console makes its form of these help texts: the kind of each value, and its default."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument(
        "-i",
        "--input",
        default="output_result.csv",
        help="dataset with the image files (csv) default=output_result.csv",
    )
    options.add_argument(
        "-m", "--model", default="results.nnp", help="trained model, a .nnp file (model) default=results.nnp"
    )
    options.add_argument(
        "-v1", "--input_variable", default="x", help="variable that holds the image (variable) default=x"
    )
    options.add_argument(
        "-ov", "--output_variable", help="model output that holds the classes; empty: the first one (variable)"
    )
    options.add_argument(
        "-v2",
        "--label_variable",
        default="y",
        help="variable that holds the index of the class to visualize (variable) default=y",
    )
    options.add_argument(
        "-o", "--output", default="gradcam.csv", help="dataset file for the result (csv) default=gradcam.csv"
    )
    return options


# ---- finding whylight: the same in both plugins, so that each works alone


def whylight():
    """The command that runs whylight: the variable WHYLIGHT, else the one on PATH, else this Python's own."""
    named = os.environ.get("WHYLIGHT", "").strip('"')
    if named:
        found = shutil.which(named)
        if not found:
            sys.exit(failure("the environment variable WHYLIGHT names no program: {}".format(named)))
        is_python = os.path.basename(found).lower().startswith(("python", "pypy"))
        return [found, "-m", "whylight"] if is_python else [found]
    found = shutil.which("whylight")
    if found:
        return [found]
    if importlib.util.find_spec("whylight"):
        return [sys.executable, "-m", "whylight"]
    sys.exit(
        failure(
            "whylight was not found: install it ('pip install whylight', Python 3.11 or newer) and, if it is not "
            "on PATH, set the environment variable WHYLIGHT to the path of whylight or of that Python"
        )
    )


def failure(message):
    """Print one line; the exit code of bad input."""
    print("whylight plugin: " + message, file=sys.stderr)
    return 2


def run(command):
    """Run a command to its end, its output passed through, without a window of its own; its exit code."""
    environment = dict(os.environ)
    if command[0] != sys.executable:
        environment.pop("PYTHONHOME", None)  # the Console's Python, which is not whylight's
    environment.setdefault("PYTHONIOENCODING", ":replace")  # paths that the system's code page cannot spell
    try:
        return subprocess.call(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stdout,
            stderr=sys.stderr,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        return failure("{} cannot be run: {}".format(command[0], error.strerror or error))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
