"""Field kinds: the types a table spec may declare for an attribute, what each may be told, and its OpenSearch mapping.

Invariant: every kind that passes its checks makes a mapping that the engine accepts (an integration test creates each).
A declared kind never tolerates a malformed value in silence: the engine refuses it, and `on_type_conflict` decides.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailrace.checks import Check, choice, hint, show, text

MAX_KEYWORD_CHARACTERS = 8191  # Lucene's limit for a term is 32,766 bytes: four bytes per character in the worst case
EXACT: Mapping[str, Any] = {"type": "keyword", "ignore_above": MAX_KEYWORD_CHARACTERS}
NUMBER_FORMATS = ("double", "float", "long", "integer", "short", "byte", "unsigned_long", "scaled_float")
DEFAULT_NUMBER_FORMAT = "double"
DEFAULT_DATE_FORMAT = "strict_date_optional_time"  # not the engine's: that would read epoch seconds as days of 1970

# OpenSearch: server/…/common/time/DateFormatters.java; each of the second list also as `strict_…`.
_NAMES = """
iso8601 rfc3339_lenient epoch_millis epoch_second epoch_micros date_optional_time strict_date_optional_time
strict_date_optional_time_nanos basic_date basic_date_time basic_date_time_no_millis basic_ordinal_date
basic_ordinal_date_time basic_ordinal_date_time_no_millis basic_time basic_time_no_millis basic_t_time
basic_t_time_no_millis"""
_NAMES_WITH_STRICT = """
basic_week_date basic_week_date_time basic_week_date_time_no_millis date date_hour date_hour_minute
date_hour_minute_second date_hour_minute_second_fraction date_hour_minute_second_millis date_time date_time_no_millis
hour hour_minute hour_minute_second hour_minute_second_fraction hour_minute_second_millis ordinal_date
ordinal_date_time ordinal_date_time_no_millis time time_no_millis t_time t_time_no_millis week_date week_date_time
week_date_time_no_millis weekyear weekyear_week weekyear_week_day year year_month year_month_day"""
DATE_NAMES = frozenset(
    [*_NAMES.split(), *_NAMES_WITH_STRICT.split(), *(f"strict_{name}" for name in _NAMES_WITH_STRICT.split())]
)
_quoted = re.compile(r"'[^']*'")
_is_name = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+|[a-z]{5,}[0-9]*").fullmatch
_no_pattern_letter = re.compile(r"[A-Za-z](?<![GuyDMLdQqYwWEecFaBhKkHmsSAnNVvzOXxZp])")  # java.time.DateTimeFormatter


def _date_format(value: object, path: str) -> Iterator[str]:
    if not isinstance(value, str) or not all(value.split("||")):
        yield f"{path}: must be date formats joined by ||, such as date_optional_time||epoch_second, not {show(value)}"
        return
    for part in value.split("||"):
        if part not in DATE_NAMES and (_is_name(part) or _no_pattern_letter.search(_quoted.sub("", part))):
            yield f"{path}: {show(part)} is not a date format{hint(part, sorted(DATE_NAMES))}"


def _factor(value: object, path: str) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1e18:
        yield f"{path}: must be a number above 0, such as 100 to keep two decimals, not {show(value)}"


Build = Callable[[str | None, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class FieldKind:
    """One kind: what else may be said of such a field (`format` included), and how its mapping is built from it."""

    build: Build
    options: Mapping[str, Check] = field(default_factory=dict)
    has_children: bool = False


def _plain(mapping_type: str, **more: Any) -> Build:
    return lambda _format, _options: {"type": mapping_type, **more}


def _number(format_: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": format_ or DEFAULT_NUMBER_FORMAT, **options, "fields": {"exact": EXACT}}


def _date(format_: str | None, _options: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "date", "format": format_ or DEFAULT_DATE_FORMAT}


def _text(_format: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "text", **options, "fields": {"exact": EXACT}}


FIELD_KINDS: Mapping[str, FieldKind] = {
    "number": FieldKind(_number, {"format": choice(*NUMBER_FORMATS), "scaling_factor": _factor}),
    "date": FieldKind(_date, {"format": _date_format}),
    "keyword": FieldKind(_plain("keyword", ignore_above=MAX_KEYWORD_CHARACTERS)),
    "text": FieldKind(_text, {"analyzer": text(r"\S+", "the name of an analyzer, such as english")}),
    "boolean": FieldKind(_plain("boolean")),
    "ip": FieldKind(_plain("ip")),
    "geo_point": FieldKind(_plain("geo_point")),
    "geo_shape": FieldKind(_plain("geo_shape")),
    "binary": FieldKind(_plain("binary")),
    "flat": FieldKind(_plain("flat_object")),
    "object": FieldKind(_plain("object"), has_children=True),
    "nested": FieldKind(_plain("nested"), has_children=True),
}


def field_mapping(type_: str, format_: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping of a declared field."""
    return FIELD_KINDS[type_].build(format_, options)
