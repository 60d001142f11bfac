"""What a document says, beyond the digest that it carries: `verify --deep` trusts no digest that it did not compute.

Invariant: an unaltered document's content digest is its own `ddb.digest`, quarantined fields and every digit included.
"""

from collections.abc import Mapping
from typing import Any

from tailrace.attributes import canonical_json, digest
from tailrace.documents import RESERVED_FIELD, split_document


def content_digest(document: Mapping[str, Any]) -> str | None:
    """The digest of what a document holds, numbers being fragments of their own text; None where it is unreadable."""
    try:
        return digest(canonical_json(_restore(document)))
    except (TypeError, ValueError, AttributeError, KeyError):
        return None


def differing_fields(document: Mapping[str, Any], expected: bytes) -> tuple[str, ...]:
    """The names of the fields in which a document and a rendered one differ, in order; never their values."""
    fields, bookkeeping = split_document(expected)
    ours = _rendered(_restore({**fields, RESERVED_FIELD: bookkeeping}))
    theirs = _rendered(_restore(document))
    return tuple(sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)))


def _restore(document: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in document.items() if name != RESERVED_FIELD}
    rejected = document.get(RESERVED_FIELD, {}).get("rejected", {})
    return fields | {entry.get("name", name): entry["value"] for name, entry in rejected.items()}


def _rendered(fields: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: canonical_json({"": value}) for name, value in fields.items()}
