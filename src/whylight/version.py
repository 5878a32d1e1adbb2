"""The version, in one place: the package, its wheel and its citation have it from here."""

__version__ = "0.1.0"
