"""What the benchmarks share: interleaved pairs, medians, and the machine's name."""

import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median


def machine() -> str:
    """Processor, cores and versions, for the heading of a table."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def interleaved(first: Callable[[], object], second: Callable[[], object], pairs: int) -> tuple[float, float, float]:
    """Time two calls in turn: the medians of both in seconds, and the median of the pairs' ratios (first / second)."""
    first(), second()
    times = [(_seconds(first), _seconds(second)) for _ in range(pairs)]
    firsts, seconds = zip(*times, strict=True)
    return median(firsts), median(seconds), median(a / b for a, b in times)


def command(*words: str | Path) -> Callable[[], float]:
    """A call that runs a command and returns the peak memory of all commands so far, in MiB."""
    arguments: Sequence[str] = [str(word) for word in words]

    def run() -> float:
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024

    return run


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
