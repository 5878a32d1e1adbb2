"""Feed whylight with damaged and hostile files, and see that it refuses them as it promises.

    python fuzz/run.py [--minutes 1 | --cases NUMBER] [--kinds nnp,onnx,...] [--from NUMBER] [--processes 2]
    python fuzz/run.py --make KIND NUMBER FOLDER

A case is a number: the same one makes the same file. Promised is one `WhylightError` of one line, in at most a minute
and 2 GiB; anything else is a failure: another exception, a process that dies, hangs or takes more. Files that failed
are kept, with the traceback, in a folder each of the folder that --keep names. The exit code is 1 where something
failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from unicodedata import category

SECONDS = 60
LARGEST = 2 * 2**30
"""Bytes of resident memory."""
_ADDRESSES = 12 * 2**30
"""A net below: what a process may ask the system for."""
_CASES_A_PROCESS = 3000
_LONGEST_MESSAGE = 4000
_NOT_ON_A_LINE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of what ends lines, steers terminals, or cannot be printed."""
_REPORT_EVERY = 60
_BETWEEN_WATCHES = 0.1
"""Seconds, as the one before."""


# ---- the process that does the work


def work(kinds: Sequence[str], start: int, step: int, folder: Path) -> None:
    """Do case after case, and say on standard output which begins and how it ended."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    say = os.fdopen(os.dup(1), "w", buffering=1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    sys.path.insert(0, str(Path(__file__).parent))
    import kinds as all_kinds

    for number in range(start, start + _CASES_A_PROCESS * step, step):
        kind = kinds[number // step % len(kinds)]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            path = all_kinds.make(kind, number, folder)
        except Exception:
            say.write(json.dumps({"unmade": f"{kind} {number}: {traceback.format_exc()}"}) + "\n")
            raise
        say.write(json.dumps({"begun": [kind, number]}) + "\n")
        _forget_peak()
        outcome, where, told = outcome_of(lambda kind=kind, path=path: all_kinds.use(kind, path))
        peak = _memory("self", "VmHWM")
        if outcome != "failed" and peak > LARGEST:
            outcome, where, told = "failed", f"took {peak >> 20} MiB", ""
        say.write(json.dumps({"ended": [kind, number], "outcome": outcome, "where": where, "told": told}) + "\n")
        if peak > LARGEST:
            break


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _memory(process: int | str, name: str) -> int:
    """Bytes of resident memory: ``VmRSS`` now, ``VmHWM`` at most since that was forgotten; 0 where nobody knows."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def outcome_of(call: Any) -> tuple[str, str, str]:
    """Whether a call is accepted, refused or failed; where it failed; and the traceback."""
    from whylight import WhylightError

    try:
        call()
    except WhylightError as error:
        message = str(error)
        if len(message) > _LONGEST_MESSAGE or any(category(each) in _NOT_ON_A_LINE for each in message):
            return "failed", "a message that is not one line", message
        return "refused", "", ""
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return "failed", _where(error), traceback.format_exc()
    return "accepted", "", ""


def _where(error: BaseException) -> str:
    """The innermost line of whylight, and what was raised there."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"{os.sep}whylight{os.sep}" in frame.filename]
    last = own[-1] if own else frames[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno} {last.name}"


# ---- the process that watches


@dataclass
class Tally:
    """What was found so far."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)

    def add(self, kind: str, number: int, outcome: str, where: str) -> bool:
        """Count a case; whether it is the first failure of its group."""
        with self.lock:
            self.outcomes[kind, outcome] += 1
            if outcome != "failed":
                return False
            numbers = self.failures.setdefault((kind, where), [])
            numbers.append(number)
            return len(numbers) <= 3

    @property
    def cases(self) -> int:
        """How many there were."""
        return sum(self.outcomes.values())


class Watched:
    """A process at work, and its replacements."""

    def __init__(self, kinds: Sequence[str], start: int, step: int, tally: Tally, keep: Path, folder: Path) -> None:
        self.kinds, self.number, self.step, self.tally = kinds, start, step, tally
        self.keep, self.folder = keep, folder
        self.begun: tuple[str, int] | None = None
        self.watches = 0
        self.is_stopped = False
        self.reason = self.unmade = ""
        self.process: Any = None

    def run(self) -> None:
        """Until it is stopped."""
        while not self.is_stopped:
            words = [sys.executable, "-W", "ignore", __file__, "--work", ",".join(self.kinds)]
            environment = {
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[1] / "src"),
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            }
            self.process = subprocess.Popen(
                [*words, str(self.number), str(self.step), str(self.folder)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                text=True,
            )
            self.begun, self.reason = None, ""
            for line in self.process.stdout:
                self._heard(json.loads(line))
            said = self.process.stderr.read()
            code = self.process.wait()
            if self.is_stopped:
                return
            if self.begun:
                kind, number = self.begun
                self._ended(kind, number, "failed", self.reason or f"the process ended with {code}", said)
            elif code and not self.reason:
                raise RuntimeError(self.unmade or said)

    def watch(self) -> None:
        """End the process where its case takes too long or too much."""
        self.watches += 1  # rather than a clock, which goes on where the whole machine sleeps
        if self.begun and self.watches * _BETWEEN_WATCHES > SECONDS:
            self.reason = f"took more than {SECONDS} s"
        elif self.process and _memory(self.process.pid, "VmRSS") > LARGEST:
            self.reason = f"took more than {LARGEST >> 30} GiB"
        if self.reason:
            self.process.kill()

    def stop(self) -> None:
        """End the process, and start none again."""
        self.is_stopped = True
        if self.process:
            self.process.kill()

    def _heard(self, said: dict[str, Any]) -> None:
        if "unmade" in said:
            self.unmade = said["unmade"]
        elif "begun" in said:
            self.begun, self.watches = said["begun"], 0
        else:
            self.begun = None
            self._ended(*said["ended"], said["outcome"], said["where"], said["told"])

    def _ended(self, kind: str, number: int, outcome: str, where: str, told: str) -> None:
        self.number = number + self.step
        if self.tally.add(kind, number, outcome, where):
            kept = self.keep / f"{kind}-{number}"
            shutil.rmtree(kept, ignore_errors=True)
            words = [sys.executable, "-W", "ignore", __file__, "--make", kind, str(number), str(kept)]
            subprocess.run(words, check=False, capture_output=True, timeout=SECONDS)
            (kept / "failure.txt").write_text(f"{where}\n\n{told}", "utf-8", "replace")


def main() -> None:
    """Read the arguments, and do what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--cases", type=int, help="how many, in place of minutes")
    parser.add_argument("--kinds", default="nnp,onnx,explainer,image,table,run")
    parser.add_argument("--from", dest="start", type=int, default=0, metavar="NUMBER")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--make", nargs=3, metavar=("KIND", "NUMBER", "FOLDER"))
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        kinds, start, step, folder = arguments.work
        work(kinds.split(","), int(start), int(step), Path(folder))
        return
    if arguments.make:
        sys.path.insert(0, str(Path(__file__).parent))
        import kinds as all_kinds

        kind, number, folder = arguments.make
        Path(folder).mkdir(parents=True, exist_ok=True)
        print(all_kinds.make(kind, int(number), Path(folder)))
        return
    sys.exit(_fuzz(arguments))


def _fuzz(arguments: argparse.Namespace) -> int:
    tally, started = Tally(), time.monotonic()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="whylight-fuzz-") as temporary:
        watched = [
            Watched(
                arguments.kinds.split(","),
                arguments.start + index,
                arguments.processes,
                tally,
                arguments.keep,
                Path(temporary) / str(index),
            )
            for index in range(arguments.processes)
        ]
        threads = [threading.Thread(target=each.run, daemon=True) for each in watched]
        for thread in threads:
            thread.start()
        try:
            for tick in _ticks(arguments, tally, started):
                for each in watched:
                    each.watch()
                if not all(thread.is_alive() for thread in threads):
                    return 1
                if tick and tick % round(_REPORT_EVERY / _BETWEEN_WATCHES) == 0:
                    print(f"{tally.cases} cases, {len(tally.failures)} kinds of failure", flush=True)
        except KeyboardInterrupt:
            print("stopped")
        finally:
            for each in watched:
                each.stop()
            for thread in threads:
                thread.join(10)
    _report(tally, time.monotonic() - started)
    return 1 if tally.failures else 0


def _ticks(arguments: argparse.Namespace, tally: Tally, started: float) -> Iterator[int]:
    for tick in count():
        if arguments.cases and tally.cases >= arguments.cases:
            return
        if not arguments.cases and time.monotonic() - started > 60 * arguments.minutes:
            return
        yield tick
        time.sleep(_BETWEEN_WATCHES)


def _report(tally: Tally, seconds: float) -> None:
    print(f"\n{tally.cases} cases in {seconds:.0f} s\n")
    print("| kind | cases | refused | accepted | failed |\n| --- | --- | --- | --- | --- |")
    for kind in sorted({kind for kind, _ in tally.outcomes}):
        counts = [tally.outcomes[kind, outcome] for outcome in ("refused", "accepted", "failed")]
        print(f"| {kind} | {' | '.join(map(str, [sum(counts), *counts]))} |")
    for (kind, where), numbers in sorted(tally.failures.items(), key=lambda each: -len(each[1])):
        print(f"{len(numbers)} x {kind}: {where} (such as number {numbers[0]})")


if __name__ == "__main__":
    main()
