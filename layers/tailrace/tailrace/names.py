"""Attribute names as OpenSearch field names: what the engine refuses is escaped, reversibly and injectively.

Invariant: `unescape_field_name(escape_field_name(name)) == name` for every text, and no escaped name is refused.
"""

import re
from urllib.parse import unquote

EMPTY_NAME = "%"  # no escape yields a lone percent sign, since `%` itself becomes `%25`

# Refused by the engine at any level (measured on 2.19 and 3.x): empty names, empty path parts, blank path parts,
# and, in the body of a document, the names of metadata fields.
_needs_escape = re.compile(
    r"%|^\.|\.$|\.\.|^\s*$|^_(?:id|index|source|type|routing|version|seq_no|primary_term|"
    r"ignored|field_names|size|nested_path|doc_count|data_stream_timestamp)$|(?:^|\.)\s+(?:\.|$)"
).search
_to_escape = re.compile(r"[%.\s]|^_")


def escape_field_name(name: str) -> str:
    """The field name for an attribute name: the name itself unless the engine would refuse it."""
    if not _needs_escape(name):
        return name
    return _to_escape.sub(lambda match: _percent(match[0]), name) or EMPTY_NAME


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def unescape_field_name(name: str) -> str:
    """The attribute name that `escape_field_name` turned into this field name."""
    return "" if name == EMPTY_NAME else unquote(name, errors="strict")
