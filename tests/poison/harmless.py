"""Good records that look like poison: values, names and keys which some program would evaluate, cut or misread.

Invariant: nothing in them is ever evaluated (failure 49), so each one is stored as it is, with no field set apart.
"""

from typing import Any

from poison.kinds import Indexed, Kind, Value, insertion, with_attributes

TEMPLATES = (
    "${id}", "${/getMetadata(\"x\")}", "${jndi:ldap://127.0.0.1:9/a}", "${{7*7}}", "#{7*7}", "{{7*7}}", "{{{_source}}}",
    "{{#toJson}}x{{/toJson}}", "{{ctx._source}}", "<%= 7*7 %>", "{%% for x in y %%}", "%(id)s", "%s%n%x", "{0}", "{id}",
    "{0.__class__}", "$(id)", "`id`", "$id", "!!python/object:os.system", "__import__('os')", "=1+1", "@SUM(1)",
    "<orders-{now/d}>", "now-1d/d", "../../_all", "_all", "*", "orders,strict", "-orders", "a\nb", "a\r\nb",
    '"}}\n{"delete":{"_index":"orders","_id":"good-1"}}\n', '{"index":{}}',
    '{"script":{"source":"ctx.op = \'delete\'"}}',
    "ctx._source.remove('id')", "params.x", "doc['id'].value", "';DROP TABLE orders;--", "<script>alert(1)</script>",
    "\\u0000", "\x00", "\x1b[31m", "\ufeff", "\u202e", "\u2028", "null", "undefined", "NaN", "1e5", "0x10", "true",
    "2026-11-21", "1/0", "AKIA0000000000000000", "]]>", "&amp;", "\\", "'", '"', "\\\"", "a|b", "sha256:0", "ddb.seq",
)  # fmt: skip
NAMES = (
    "", " ", "   ", ".", "..", ".a", "a.", "a..b", "a. .b", "_id", "_source", "_type", "_index", "_routing", "%", "%2E",
    "50%", "*", "a*b", "[a]", "a,b", "a b", "\t", "\x00", '"', "\\", "${id}", "{{id}}", "<%= 1 %>", "id ", " id", "ID",
    "\u00fc", "\U0001f600", "e\u0301", "ddb ", "ddb1", "type", "properties", "dynamic", "fields", "__proto__",
    "constructor", "S", "N", "M", "L", "n" * 300,
)  # fmt: skip
# Extreme and legal, each in an attribute of its own.
EXTREMES: dict[str, Value] = {
    "digits": {"N": "-12345678901234567890123456789012345678"},
    "smallest": {"N": "1E-130"},
    "largest": {"N": "9.9999999999999999999999999999999999999E+125"},
    "many_zeros": {"N": "0" * 500 + "1"},
    "empty_text": {"S": ""},
    "empty_binary": {"B": ""},
    "empty_map": {"M": {}},
    "empty_list": {"L": []},
    "nothing": {"NULL": True},
    "long_text": {"S": "x" * 390_000},
    "long_word": {"S": "\u00e9" * 100_000},
    "long_list": {"L": [{"S": "x"}] * 5_000},
    "long_code": {"S": "\U0001f600" * 9_000},
}


def harmless_kinds() -> list[Kind]:
    """Every template as value, name and key, every odd name, every extreme."""
    good = Indexed()
    kinds = [with_attributes(f"the value {text!r}", good, {"safe": {"S": text}}) for text in TEMPLATES]
    kinds += [with_attributes(f"values in a set, {n}", good, {"tags": {"SS": list(TEMPLATES[n::3])}}) for n in range(3)]
    kinds += [with_attributes(f"the name {name!r}", good, {"odd": {"M": {name: {"S": "x"}}}}) for name in NAMES]
    kinds += [with_attributes(f"the extreme {name}", good, {name: value}) for name, value in EXTREMES.items()]
    return [*kinds, *(_keyed(text) for text in TEMPLATES), *(_typed(text) for text in TEMPLATES[::5])]


def _keyed(text: str) -> Kind:
    end = Indexed()
    return Kind(f"the key {text!r}", end, lambda id_, sequence: _make(f"{text}{id_}{text}", sequence, "orders"))


def _typed(text: str) -> Kind:
    def make(id_: str, sequence: int) -> Any:
        return _make(id_, sequence, "planes", status={"S": text})

    return Kind(f"the type {text!r}", Indexed(), make, "planes")


def _make(id_: str, sequence: int, table: str, **attributes: Value) -> Any:
    return insertion(id_, sequence, attributes, table)
