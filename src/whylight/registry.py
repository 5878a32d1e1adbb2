"""The tables of what whylight can read, differentiate and compute: one `Registry` a kind, open to other packages.

What is built in registers when its modules are imported, which is put off until a name is looked up. A package outside
declares an entry point in the registry's group; it is imported when a name is not among those built in, or when all are
listed: in every process that asks, with nothing to be said on the command line.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from whylight.errors import WhylightError, WhylightWarning, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Value = TypeVar("Value")


class _Entry(NamedTuple):
    value: Any
    origin: str


_OUTSIDE: set[str] = set()
"""The modules that have registered something and are not built in."""


def outside_sources() -> dict[str, int] | None:
    """The files outside of whylight that have registered something, and when each was last changed, in nanoseconds.

    None where something was registered that lies in no file, such as in a notebook: nobody can say whether it changes.
    """
    files = [getattr(sys.modules.get(name), "__file__", None) for name in sorted(_OUTSIDE)]
    try:
        return None if None in files else {file: Path(file).stat().st_mtime_ns for file in files if file}
    except OSError:
        return None


def origin_of(function: Callable[..., object]) -> str:
    """Where a function is defined, as entry points write it: ``package.module:function``."""
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}"


class Registry(Mapping[str, Value]):
    """What there is of one kind, by name: what is built in, module by module, then the rest as it was registered."""

    def __init__(
        self, noun: str, modules: Sequence[str], group: str, take: Callable[[Any, str], object] | None = None
    ) -> None:
        """Nothing is imported yet.

        Args:
            noun: what it holds, for messages, such as "method".
            modules: that register what is built in, in the order of the list.
            group: of the entry points by which other packages register.
            take: registers what an entry point names, where that is no module or function that registers itself; it is
                given the object, and the entry point's text as its origin.
        """
        self._noun = noun
        self._modules = {module: number for number, module in enumerate(modules)}
        self._group = group
        self._take = take
        self._entries: dict[str, _Entry] = {}
        self._lock = Lock()  # not held while something is imported, which has locks of its own
        self._is_imported = False
        self._loading: set[int] = set()  # threads: a package may look something up while it is imported
        self._failures: list[str] | None = None
        self._has_warned = False

    def add(self, name: str, value: Value, origin: str) -> None:
        """Register a value.

        The same origin may do so again, with another value: a cell of a notebook that is run once more, a module that
        is loaded anew.

        Args:
            name: as the user writes it.
            value: what is looked up.
            origin: where it is defined: see `origin_of`.

        Raises:
            WhylightError: the name is taken.
        """
        if _module(origin) not in self._modules:
            self._import_built_in()  # whoever comes from outside is told, not the part that was there before
        with self._lock:
            taken = self._entries.get(name)
            if taken is not None and taken.origin != origin and taken.value is not value:
                raise WhylightError(
                    f"{self._noun} '{name}' is defined twice, in {taken.origin} and in {origin}: "
                    "one of them needs another name"
                )
            self._entries[name] = _Entry(value, origin)
        if _module(origin) not in self._modules:
            _OUTSIDE.add(_module(origin))

    def named(self, name: str) -> Value:
        """The value of a name as people write it: `GradCAM`, `grad-cam` and `grad_cam` are one, `++` is `plusplus`.

        Raises:
            WhylightError: there is none; the message has the nearest names, and the packages that could not be loaded.
        """
        if self._has(name):
            return self[name]
        alike = [known for known in self._names() if _letters(known) == _letters(name)]
        if len(alike) == 1:
            return self[alike[0]]
        missing = f"no {self._noun} '{name}'; the nearest are {nearest(name, self._names())}"
        raise WhylightError("; ".join([missing, *(self._failures or ())]))

    def __getitem__(self, name: str) -> Value:
        if not self._has(name):
            self._warn_of_failures()
            raise KeyError(name)
        value: Value = self._entries[name].value
        return value

    def __iter__(self) -> Iterator[str]:
        self._import_built_in()
        self._load_entry_points()
        self._warn_of_failures()
        return iter(self._names())

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _has(self, name: str) -> bool:
        for more in (self._import_built_in, self._load_entry_points):
            if name in self._entries:
                break
            more()
        return name in self._entries

    def _names(self) -> list[str]:
        with self._lock:
            entries = list(self._entries.items())
        last = len(self._modules)
        return [name for name, entry in sorted(entries, key=lambda e: self._modules.get(_module(e[1].origin), last))]

    def _import_built_in(self) -> None:
        if not self._is_imported:
            for module in self._modules:
                import_module(module)
            self._is_imported = True

    def _load_entry_points(self) -> None:
        thread = get_ident()
        if self._failures is not None or thread in self._loading:
            return
        from importlib.metadata import entry_points  # looks into every installed package

        failures = []
        self._loading.add(thread)
        try:
            for point in entry_points(group=self._group):
                try:
                    loaded = point.load()
                    if self._take is not None:
                        self._take(loaded, point.value)
                except Exception as error:  # whatever the code of a package raises
                    failures.append(_failure(point, error))
            self._failures = failures
        finally:
            self._loading.discard(thread)

    def _warn_of_failures(self) -> None:
        if self._failures and not self._has_warned:
            self._has_warned = True
            for failure in self._failures:
                warnings.warn(failure, WhylightWarning, stacklevel=3)


def _letters(name: str) -> str:
    """A name without what is written in different ways: capitals, hyphens and spaces."""
    return "".join(each for each in name.casefold().replace("++", "plusplus") if each.isalnum())


def _module(origin: str) -> str:
    return origin.partition(":")[0]


def _failure(point: "EntryPoint", error: Exception) -> str:
    package = f"package '{point.dist.name}'" if point.dist else "a package"
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return (
        f"{package} cannot be loaded: its entry point '{point.name}' of {point.group} ({point.value}) raises "
        f"{type(error).__name__}{f': {said}' if said else ''}"
    )
