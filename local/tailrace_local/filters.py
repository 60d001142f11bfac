"""Filter patterns of an event source mapping, as Lambda reads them.

A pattern is a JSON object: its keys name fields, its leaves are lists of alternatives. Several filters are an "or".

Invariant: a pattern is checked whole when it is compiled; matching never raises, whatever the record holds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence

import orjson

MAX_PATTERN_CHARACTERS = 4096  # Lambda quota

Predicate = Callable[[object], bool]
_MISSING = object()
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class FilterPatternError(ValueError):
    """A pattern that Lambda would refuse; the message says what is wrong with it, without its place."""


def compile_filters(patterns: Sequence[str]) -> Predicate:
    """A predicate over records: true where any pattern matches, or where there is no pattern at all.

    Raises `FilterPatternError`.
    """
    predicates = [_compile_text(pattern) for pattern in patterns]
    return lambda record: not predicates or any(matches(record) for matches in predicates)


def _compile_text(text: str) -> Predicate:
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise FilterPatternError(f"a pattern has at most {MAX_PATTERN_CHARACTERS} characters")
    try:
        pattern = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise FilterPatternError("a pattern is a JSON object, and this is not JSON") from None
    return _compile_object(pattern)


def _compile_object(pattern: object) -> Predicate:
    if not isinstance(pattern, dict) or not pattern:
        raise FilterPatternError("a pattern is a JSON object with at least one field")
    fields = [_compile_field(name, value) for name, value in pattern.items()]
    return lambda record: all(matches(record) for matches in fields)


def _compile_field(name: str, value: object) -> Predicate:
    if name == "$or":
        return _compile_either(value)
    inner = _compile_leaf(name, value) if isinstance(value, list) else _compile_object(value)
    return lambda record: inner(record.get(name, _MISSING) if isinstance(record, dict) else _MISSING)


def _compile_either(value: object) -> Predicate:
    if not isinstance(value, list) or not value:
        raise FilterPatternError('"$or" takes a list of patterns')
    either = [_compile_object(pattern) for pattern in value]
    return lambda record: any(matches(record) for matches in either)


def _compile_leaf(name: str, alternatives: list[object]) -> Predicate:
    if not alternatives:
        raise FilterPatternError(f'"{name}" has an empty list: nothing would ever match')
    rules = [_compile_rule(rule) for rule in alternatives]

    def matches(value: object) -> bool:
        # A list in a record matches where one of its elements does.
        values = value if isinstance(value, list) else [value]
        return any(rule(each) for rule in rules for each in values)

    return matches


def _compile_rule(rule: object) -> Predicate:
    if isinstance(rule, dict):
        return _compile_operator(rule)
    if isinstance(rule, list):
        raise FilterPatternError("a list of alternatives holds texts, numbers, booleans, null and operators only")
    return lambda value: _is_equal(value, rule)


def _compile_operator(rule: dict[str, object]) -> Predicate:
    if len(rule) != 1:
        raise FilterPatternError("an operator is an object with exactly one field")
    ((name, argument),) = rule.items()
    if name not in _OPERATORS:
        raise FilterPatternError(f'unknown operator "{name}"')
    return _OPERATORS[name](argument)


def _is_equal(value: object, wanted: object) -> bool:
    # True == 1 in Python, not in JSON.
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _text(argument: object) -> str:
    if not isinstance(argument, str):
        raise FilterPatternError("a text operator takes a text")
    return argument


def _prefix(argument: object) -> Predicate:
    prefix = _text(argument)
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def _suffix(argument: object) -> Predicate:
    suffix = _text(argument)
    return lambda value: isinstance(value, str) and value.endswith(suffix)


def _ignoring_case(argument: object) -> Predicate:
    folded = _text(argument).casefold()
    return lambda value: isinstance(value, str) and value.casefold() == folded


def _exists(argument: object) -> Predicate:
    if not isinstance(argument, bool):
        raise FilterPatternError('"exists" takes true or false')
    # Only leaves exist: an object below the name counts as absent.
    return lambda value: (value is not _MISSING and not isinstance(value, dict)) == argument


def _anything_but(argument: object) -> Predicate:
    refused = [_compile_rule(rule) for rule in (argument if isinstance(argument, list) else [argument])]
    return lambda value: value is not _MISSING and not any(matches(value) for matches in refused)


def _numeric(argument: object) -> Predicate:
    if not isinstance(argument, list) or not argument or len(argument) % 2:
        raise FilterPatternError('"numeric" takes pairs of a comparison and a number')
    bounds = [_bound(*argument[at : at + 2]) for at in range(0, len(argument), 2)]
    return lambda value: _is_number(value) and all(holds(value) for holds in bounds)


def _bound(symbol: object, limit: object) -> Predicate:
    if symbol not in _COMPARISONS or not isinstance(limit, int | float) or isinstance(limit, bool):
        raise FilterPatternError(f'"numeric" takes pairs of a comparison ({" ".join(_COMPARISONS)}) and a number')
    compare = _COMPARISONS[str(symbol)]
    return lambda value: isinstance(value, int | float) and compare(value, limit)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_OPERATORS: Mapping[str, Callable[[object], Predicate]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignoring_case,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "exists": _exists,
}
