"""Typed access to the resolved properties of one resource.

Invariant: a property that is absent, misspelt or of the wrong kind is refused with its name and what it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Refuse = Callable[[str, str], Exception]


@dataclass(frozen=True, slots=True)
class Properties:
    """Typed access to resolved properties; `refuse(property, problem)` makes the error that names the resource."""

    values: Mapping[str, Any]
    refuse: Refuse

    def refuse_unknown(self, known: frozenset[str]) -> None:
        """Raise for the first property that is not among `known`."""
        for name in self.values:
            if name not in known:
                raise self.refuse(name, f"there is no such property{_suggestion(name, known)}")

    def integer(self, name: str, default: int | None, low: int, high: int) -> int:
        """A whole number within bounds, also where a parameter gives it as text."""
        value = self.values.get(name, default)
        text = "" if isinstance(value, bool) else str(value)
        if not text.lstrip("-").isdigit() or not low <= int(text) <= high:
            raise self.refuse(name, f"{value!r} is not a whole number from {low:,} to {high:,}")
        return int(text)

    def boolean(self, name: str, default: bool) -> bool:
        """True or false, also as text."""
        value = self.values.get(name, default)
        if str(value).lower() not in ("true", "false"):
            raise self.refuse(name, f"{value!r} is neither true nor false")
        return str(value).lower() == "true"

    def text(self, name: str, default: str | None = None) -> str:
        """A text; without a default the property is required."""
        value = self.values.get(name, default)
        if value is None:
            raise self.refuse(name, "it is required")
        if not isinstance(value, str):
            raise self.refuse(name, f"{value!r} is not a text")
        return value

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        """One of the options; required."""
        value = self.text(name)
        if value not in options:
            raise self.refuse(name, f"{value!r} is none of {', '.join(options)}")
        return value

    def within(self, name: str) -> Properties:
        """The properties of a nested object; none where it is absent."""
        value = self.values.get(name) or {}
        if not isinstance(value, dict):
            raise self.refuse(name, "it takes an object")
        return Properties(value, lambda inner, problem: self.refuse(f"{name}.{inner}", problem))


def _suggestion(name: str, known: frozenset[str]) -> str:
    alike = [each for each in known if each.lower() == name.lower()]
    return f"; it is spelled {alike[0]}" if alike else ""
