"""Checks on a configuration document: small parts that name the path of a mistake and say what belongs there.

Invariant: a check yields one sentence per mistake, `path: what is wrong`, and never raises, whatever it is given.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

Check = Callable[[object, str], Iterator[str]]
MAX_SHOWN_CHARACTERS = 40


def choice(*choices: str) -> Check:
    """One of some words."""

    def check(value: object, path: str) -> Iterator[str]:
        if value not in choices:
            yield f"{path}: must be {join_or(choices)}, not {show(value)}{hint(value, choices)}"

    return check


def whole_number(low: int, high: int) -> Check:
    """An integer from `low` to `high`."""

    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            yield f"{path}: must be a whole number from {low} to {high}, not {show(value)}"

    return check


def boolean(value: object, path: str) -> Iterator[str]:
    """true or false."""
    if not isinstance(value, bool):
        yield f"{path}: must be true or false, not {show(value)}"


def text(pattern: str, what: str) -> Check:
    """Text that matches a pattern; `what` finishes the sentence "must be …"."""
    matches = re.compile(pattern).fullmatch

    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, str) or not matches(value):
            yield f"{path}: must be {what}, not {show(value)}"

    return check


def mapping(keys: Mapping[str, Check], example: str) -> Check:
    """A mapping with these keys alone, each with its own check."""

    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{path}: must be a mapping such as {example}, not {show(value)}"
            return
        for key, inner in value.items():
            if key in keys:
                yield from keys[key](inner, join(path, key))
            else:
                yield f"{join(path, key)}: unknown key{hint(key, keys) or '; known here: ' + ', '.join(keys)}"

    return check


def list_of_words(words: Iterable[str]) -> Check:
    """A list, possibly empty, of some words."""
    one = choice(*words)

    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path}: must be a list, not {show(value)}"
            return
        for number, word in enumerate(value):
            yield from one(word, f"{path}[{number}]")

    return check


def join(path: str, key: object) -> str:
    """The path of a key below `path`; the document's own path is empty."""
    return f"{path}.{key}" if path else str(key)


def join_or(words: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def show(value: object) -> str:
    """A value as a sentence may quote it: short, and never the inside of a list or mapping."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= MAX_SHOWN_CHARACTERS else f'"{value[:MAX_SHOWN_CHARACTERS]}…"'
    if isinstance(value, (list, tuple, Mapping)):
        kind = "mapping" if isinstance(value, Mapping) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    return str(value)[:MAX_SHOWN_CHARACTERS]


def hint(word: object, known: Iterable[str]) -> str:
    """`; did you mean "…"?` when a known word is close to this one, else nothing."""
    from difflib import get_close_matches  # only a broken document pays for this import

    close = get_close_matches(str(word).lower(), list(known), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""
