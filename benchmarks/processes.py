"""Processes that do one thing after another, are given a time for each, and may die of one without harm to the next."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

_DEAD = "the process ended, perhaps for want of memory"
_ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
Result = TypeVar("Result")


class Peer:
    """A script that `peers/answering.py` serves; it starts when it is first asked."""

    def __init__(self, *command: str | Path) -> None:
        self._command = [str(word) for word in command]
        self._process: subprocess.Popen[str] | None = None

    def ask(self, *arguments: object, seconds: float) -> None:
        """Have it done.

        Raises:
            RuntimeError: it failed, with the reason.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=_ENVIRONMENT,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(argument) for argument in arguments]), file=self._process.stdin, flush=True)
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.close()
            raise RuntimeError(_DEAD if ready else f"took more than {seconds:.0f} s")
        problem = json.loads(line)
        if problem:
            raise RuntimeError(problem[:300])

    def close(self) -> None:
        """End it; it starts again when it is asked."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Aside:
    """Calls functions in another process."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def call(self, function: Callable[..., Result], *arguments: Any, seconds: float) -> Result:
        """The function's result.

        Raises:
            RuntimeError: it failed, with the reason.
        """
        self._pool = self._pool or ProcessPoolExecutor(1)
        try:
            return self._pool.submit(function, *arguments).result(seconds)
        except TimeoutError:
            self.close()
            raise RuntimeError(f"took more than {seconds:.0f} s") from None
        except BrokenProcessPool:
            self.close()
            raise RuntimeError(_DEAD) from None
        except (Exception, SystemExit) as error:
            raise RuntimeError(f"{type(error).__name__}: {error}"[:300]) from error

    def close(self) -> None:
        """End the process; another starts for the next call."""
        if self._pool is not None:
            for process in list(self._pool._processes.values()):
                process.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def output(*command: str | Path, seconds: float) -> str:
    """What a command prints.

    Raises:
        RuntimeError: it failed, with the last line of its errors.
    """
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            timeout=seconds,
            env=_ENVIRONMENT,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"took more than {seconds:.0f} s") from None
    except subprocess.CalledProcessError as error:
        if error.returncode < 0:
            raise RuntimeError(f"ended by {signal.Signals(-error.returncode).name}") from None
        lines = [line for line in error.stderr.splitlines() if line.strip()] or [f"ended with {error.returncode}"]
        raise RuntimeError(lines[-1][:300]) from None
    return done.stdout
