"""Documents as bytes: taken apart and put together without touching a digit.

Invariant: a document with fields set apart still holds the whole item, so `contents` finds its own `ddb.digest` in it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import orjson

from tailrace.attributes import canonical_json

RESERVED_FIELD = "ddb"
MAX_NAME_CHARACTERS = 8191  # the engine's JSON reader refuses names over 50,000; a keyword takes this many safely
MAX_REASON_CHARACTERS = 300


def split_document(source: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The item's fields and the bookkeeping of a rendered document; every number is an `orjson.Fragment` of its text.

    Python's own reader hands over each number as text; orjson would make it a float (law 4).
    """
    fields: dict[str, Any] = json.loads(source, parse_int=orjson.Fragment, parse_float=orjson.Fragment)
    return fields, fields.pop(RESERVED_FIELD, {})


def join_document(fields: Mapping[str, Any], bookkeeping: Mapping[str, Any]) -> bytes:
    """The rendered document: canonical fields first, `ddb` last."""
    canonical = canonical_json(fields)
    return canonical[:-1] + (b"," if fields else b"") + orjson.dumps({RESERVED_FIELD: bookkeeping})[1:]


def set_apart(fields: Mapping[str, Any], bookkeeping: Mapping[str, Any], reasons: Mapping[str, str]) -> bytes:
    """The document with the fields named in `reasons` moved to `ddb.rejected`, beside those that are there already.

    `ddb.rejected_fields` lists them for searching. A name too long for JSON stands as `sha256:…`, spelled in `name`.
    """
    kept = {name: value for name, value in fields.items() if name not in reasons}
    moved = dict(map(_entry, ((name, fields[name], reason) for name, reason in reasons.items())))
    rejected = {**bookkeeping.get("rejected", {}), **moved}
    return join_document(kept, {**bookkeeping, "rejected": rejected, "rejected_fields": sorted(rejected)})


def _entry(rejection: tuple[str, Any, str]) -> tuple[str, dict[str, Any]]:
    name, value, reason = rejection
    entry = {"value": value, "reason": reason[:MAX_REASON_CHARACTERS]}
    if len(name) <= MAX_NAME_CHARACTERS:
        return name, entry
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest(), {"name": name, **entry}
