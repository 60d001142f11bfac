"""The rules of tables.yaml: every mistake a document can hold by itself, each with its path.

Invariant: a document without mistakes here can be built into specs without an exception. What only the specs together
can show (two tables, one index) is checked in `tables`.
"""

import re
from collections.abc import Iterator, Mapping

from tailrace.attributes import IllegalAttributeError, canonical_number
from tailrace.checks import Check, boolean, choice, hint, join_or, list_of_words, mapping, show, text, whole_number
from tailrace.field_kinds import FIELD_KINDS

RESERVED_FIELD = "ddb"
PLACEHOLDERS = ("{prefix}", "{table}", "{type}")
MAX_DEPTH = 32  # DynamoDB quota: nested attributes up to 32 levels deep
is_table_name = re.compile(r"[a-zA-Z0-9_.-]{3,255}").fullmatch  # DynamoDB: naming rules
_placeholder = re.compile(r"\{[^{}]*\}|[{}]")
_EXACT_FLOAT_DIGITS = 15  # as many decimal digits as every double gives back


def find_mistakes(document: object) -> list[str]:
    """Every mistake of a document, each as `path: what is wrong`, in the order of the document."""
    if document is None or document == {}:
        return ["the document is empty: it needs `tables:` with an entry for each table"]
    if not isinstance(document, Mapping):
        return [f"the document must be a mapping with `tables:` at its top, not {show(document)}"]
    mistakes = list(_DOCUMENT(document, ""))
    if "tables" not in document:
        mistakes.append("tables: missing; it holds an entry for each table")
    return mistakes


def _source(value: object, path: str) -> Iterator[str]:
    if isinstance(value, (list, tuple, Mapping)):
        yield f"{path}: a table has one source, streams or kinesis, never both, not {show(value)}"
    else:
        yield from choice("streams", "kinesis")(value, path)


def _key(value: object, path: str) -> Iterator[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        yield f"{path}: must be a list of attribute names, partition key first, such as [id], not {show(value)}"
    elif not 1 <= len(value) <= 2:
        yield f"{path}: must name one attribute, or two with the sort key last, not {len(value)}"
    elif len(set(value)) < len(value):
        yield f"{path}: names {show(value[0])} twice"


def _index(value: object, path: str) -> Iterator[str]:
    if not isinstance(value, str) or not value:
        yield f'{path}: must be an index name such as "{{prefix}}{{table}}", not {show(value)}'
        return
    found = _placeholder.findall(value)
    for placeholder in dict.fromkeys(found):
        if placeholder not in PLACEHOLDERS:
            yield f"{path}: {show(placeholder)} is no placeholder; there are {join_or(PLACEHOLDERS)}"
        elif found.count(placeholder) > 1:
            yield f"{path}: {placeholder} stands in it twice"
    if not re.fullmatch(r"[a-z0-9._-]*", _placeholder.sub("", value)):
        yield f"{path}: may hold a-z, 0-9, dots, dashes, underscores and placeholders, not {show(value)}"


def _where(value: object, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: must be a mapping such as {{status: [PAID, NEW]}}, not {show(value)}"
        return
    for name, allowed in value.items():
        if not isinstance(name, str) or not name:
            yield f"{path}.{name}: an attribute's name must be text; put it in quotes"
        elif not isinstance(allowed, list) or not allowed:
            yield f"{path}.{name}: must be a list of values to let in, such as [PAID, NEW], not {show(allowed)}"
        else:
            for number, one in enumerate(allowed):
                yield from _where_value(one, f"{path}.{name}[{number}]")


def _where_value(value: object, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        if set(value) != {"N"} or not isinstance(value["N"], str) or not _is_legal_number(value["N"]):
            yield f'{path}: must be text, a number, true, false, null or a number in text such as {{N: "12.50"}}'
    elif isinstance(value, float):
        if len(repr(value).replace("-", "").replace(".", "").partition("e")[0].strip("0")) > _EXACT_FLOAT_DIGITS:
            yield f'{path}: has more digits than a parser keeps; write it as text, such as {{N: "12.50"}}'
    elif isinstance(value, int) and not _is_legal_number(str(int(value))):
        yield f"{path}: must be a number that DynamoDB can hold, with at most 38 digits"
    elif value is not None and not isinstance(value, (str, int)):
        yield f"{path}: must be text, a number, true, false or null, not {show(value)}"


def _is_legal_number(text: str) -> bool:
    try:
        canonical_number(text)
    except IllegalAttributeError:
        return False
    return True


def _fields(value: object, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: must be a mapping such as {{total: {{type: number}}}}, not {show(value)}"
        return
    for name, declared in value.items():
        yield from _field(declared, f"{path}.{name}")
        if not isinstance(name, str) or not name:
            yield f"{path}.{name}: an attribute's name must be text; put it in quotes"
        elif name.partition(".")[0] == RESERVED_FIELD:
            yield f"{path}.{name}: the field {RESERVED_FIELD} is reserved for Tailrace"
        elif name.count(".") >= MAX_DEPTH:
            yield f"{path}.{name}: lies deeper than the {MAX_DEPTH} levels that DynamoDB allows"
        else:
            yield from _parents(name, value, path)


def _parents(name: str, fields: Mapping[str, object], path: str) -> Iterator[str]:
    """A dot leads into a map: what is declared above it must be able to hold fields."""
    parts = name.split(".")
    for depth in range(1, len(parts)):
        parent = ".".join(parts[:depth])
        declared = fields.get(parent)
        kind = FIELD_KINDS.get(str(declared.get("type"))) if isinstance(declared, Mapping) else None
        if parent in fields and not (kind and kind.has_children):
            yield f"{path}.{name}: {show(parent)} is declared too, and only object and nested hold further fields"


def _field(value: object, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping) or not value:
        yield f"{path}: must be a mapping such as {{type: keyword}} or {{redact: hash}}, not {show(value)}"
        return
    type_ = value.get("type")
    if "type" in value:
        yield from choice(*FIELD_KINDS)(type_, f"{path}.type")
    kind = FIELD_KINDS.get(type_) if isinstance(type_, str) else None
    for key, inner in value.items():
        if kind and key in kind.options:
            yield from kind.options[key](inner, f"{path}.{key}")
        elif kind and key in _OPTION_KEYS:
            yield f"{path}.{key}: has no meaning for type {type_}"
        elif key not in _FIELD_KEYS:
            yield f"{path}.{key}: unknown key{hint(key, _FIELD_KEYS) or '; known here: ' + ', '.join(_FIELD_KEYS)}"
    yield from _field_as_a_whole(value, path)


def _field_as_a_whole(value: Mapping[str, object], path: str) -> Iterator[str]:
    type_, redact = value.get("type"), value.get("redact")
    if "type" not in value and any(key in value for key in _OPTION_KEYS):
        yield f"{path}.type: missing; without it nothing else can be said of the field"
    if type_ == "number" and (value.get("format") == "scaled_float") != ("scaling_factor" in value):
        yield f"{path}.scaling_factor: belongs to format scaled_float, and one needs the other"
    if "redact" in value:
        yield from choice("hash", "drop", "mask")(redact, f"{path}.redact")
        if redact in ("hash", "mask") and type_ not in (None, "keyword"):
            yield f"{path}.type: a field with redact: {redact} holds text, so its type can only be keyword"


def _table(value: object, path: str) -> Iterator[str]:
    if value is None:
        return
    mistakes = list(_TABLE_KEYS(value, path))
    yield from mistakes
    if not mistakes and isinstance(value, Mapping):
        yield from _table_as_a_whole(value, path)


def _table_as_a_whole(table: Mapping[str, object], path: str) -> Iterator[str]:
    """Rules between the keys of one table, asked only when each key by itself is right."""
    index, type_attribute = table.get("index"), table.get("type_attribute")
    if index and type_attribute and "{type}" not in str(index):
        yield f"{path}.index: has no {{type}}, so that type_attribute would do nothing"
    if index and not type_attribute and "{type}" in str(index):
        yield f"{path}.index: holds {{type}}, which needs type_attribute"
    yield from _redactions(table, path)


def _redactions(table: Mapping[str, object], path: str) -> Iterator[str]:
    """What is redacted must not stand in the open elsewhere: in the document's id, its key or its index's name."""
    fields, key = table.get("fields"), table.get("key")
    redacted = (
        [name for name, declared in fields.items() if declared.get("redact")] if isinstance(fields, Mapping) else []
    )
    if redacted and not key:
        yield f"{path}.key: missing; it is needed beside redact, to be sure that no key attribute is redacted"
    for name in redacted:
        if isinstance(key, list) and name in key:
            yield f"{path}.fields.{name}.redact: a key attribute cannot be redacted, since it makes the document's id"
        elif name == table.get("type_attribute"):
            yield f"{path}.fields.{name}.redact: the type attribute cannot be redacted, since it names the index"
        elif "." in name:
            whole = name.partition(".")[0]
            yield f"{path}.fields.{name}.redact: only a whole attribute can be redacted: redact {show(whole)}"


def _tables(value: object, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: must be a mapping from table name to table, not {show(value)}"
        return
    for name, table in value.items():
        if not isinstance(name, str):
            yield f"{path}.{name}: a table's name must be text; put it in quotes"
        elif not is_table_name(name):
            yield f"{path}.{name}: not a DynamoDB table name (3 to 255 letters, digits, dots, dashes, underscores)"
        yield from _table(table, f"{path}.{name}")


_OPTION_KEYS = tuple(dict.fromkeys(key for kind in FIELD_KINDS.values() for key in kind.options))
_FIELD_KEYS = ("type", *_OPTION_KEYS, "redact")
_PREFIX = text(r"(?:[a-z0-9][a-z0-9._-]{0,99})?", "at most 100 of a-z, 0-9, dots, dashes and underscores")
_SHARED_KEYS: Mapping[str, Check] = {
    "source": _source,
    "deletes": choice("soft", "hard"),
    "tombstone_days": whole_number(1, 3650),
    "on_type_conflict": choice("quarantine", "dead_letter"),
    "shards": whole_number(1, 1024),  # OpenSearch: index.max_number_of_shards is 1024
}
_FILTER = mapping(
    {
        "exclude_operations": list_of_words(("insert", "modify", "remove")),
        "exclude_ttl_deletes": boolean,
        "where": _where,
    },
    "{exclude_ttl_deletes: true}",
)
_TABLE_KEYS = mapping(
    {
        "key": _key,
        "source": _source,
        "type_attribute": text(r"[\s\S]+", "an attribute's name"),
        "index": _index,
        "fields": _fields,
        "filter": _FILTER,
        **_SHARED_KEYS,
    },
    "{key: [customer_id]}",
)
_DEFAULTS = mapping(
    {"index_prefix": _PREFIX, "unknown_tables": choice("follow_defaults", "refuse"), **_SHARED_KEYS},
    "{deletes: soft}",
)
_DOCUMENT = mapping({"defaults": _DEFAULTS, "tables": _tables}, "{tables: {orders: {key: [id]}}}")
