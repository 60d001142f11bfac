"""Index names: what a table's pattern becomes as an alias, and whether two patterns can ever become the same one.

Invariant: folding lower-cases, and after that different texts give different names, all of them legal in OpenSearch.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

MAX_ALIAS_BYTES = 200  # OpenSearch: 255 bytes for an index name; the rest is room for `@` and a generation
HASH_MARK = "=_"  # begins the hash tail of a shortened name; no escape begins so
HASH_DIGITS = 32

_illegal = re.compile(rb"[^a-z0-9._-]")
_illegal_at_start = re.compile(rb"^[_.-]")  # OpenSearch: not `_`, `-`, `+`; a leading `.` hides the index


@lru_cache(maxsize=4096)
def fold_index_name(text: str) -> str:
    """The text as an index name: lower-cased, every byte outside `[a-z0-9._-]` as `=` and two hex digits.

    A leading `_`, `-` or `.` is escaped as well. `@` is always escaped, since `<alias>@<generation>` is Tailrace's
    own. A name over 200 bytes keeps its beginning and ends in `=_` and 32 hex digits of its SHA-256.
    """
    name = fold_part(text)
    name = _illegal_at_start.sub(_escape, name.encode()).decode()
    if len(name) <= MAX_ALIAS_BYTES:
        return name
    tail = HASH_MARK + hashlib.sha256(name.encode()).hexdigest()[:HASH_DIGITS]
    return name[: MAX_ALIAS_BYTES - len(tail)] + tail


def fold_part(text: str) -> str:
    """As `fold_index_name`, for a text in the middle of a name: no rule for the first character, no shortening."""
    return _illegal.sub(_escape, text.lower().encode(errors="surrogatepass")).decode()


def _escape(match: re.Match[bytes]) -> bytes:
    return b"=%02x" % ord(match[0])


@dataclass(frozen=True, slots=True)
class Claim:
    """The aliases a table may use: `head` alone, or `head`, any type, `tail` when the pattern is open."""

    head: str
    tail: str
    is_open: bool


@lru_cache(maxsize=4096)
def claim(pattern: str, prefix: str, table: str) -> Claim:
    """What the index pattern of one table claims."""
    head, mark, tail = fill_pattern(pattern, prefix, table).partition("{type}")
    return Claim(fold_part(head), fold_part(tail), bool(mark))


def fill_pattern(pattern: str, prefix: str, table: str) -> str:
    """The pattern with its prefix and table filled in; `{type}` is left, so that no type can bring in the others."""
    return pattern.replace("{prefix}", prefix).replace("{table}", table)


def do_overlap(one: Claim, other: Claim) -> bool:
    """Whether some alias belongs to both claims."""
    if not one.is_open and not other.is_open:
        return one.head == other.head
    if one.is_open and other.is_open:
        heads = one.head.startswith(other.head) or other.head.startswith(one.head)
        return heads and (one.tail.endswith(other.tail) or other.tail.endswith(one.tail))
    open_, fixed = (one, other) if one.is_open else (other, one)
    has_room_for_a_type = len(fixed.head) > len(open_.head) + len(open_.tail)
    return has_room_for_a_type and fixed.head.startswith(open_.head) and fixed.head.endswith(open_.tail)
