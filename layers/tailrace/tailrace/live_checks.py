"""What a table's own description says against its spec: key, stream and view type.

Invariant: pure; the description is the `Table` of DynamoDB's DescribeTable, or None where there is no such table.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tailrace.tables import TableSpec

BOTH_IMAGES = "NEW_AND_OLD_IMAGES"


def find_live_mistakes(spec: TableSpec, description: Mapping[str, Any] | None) -> Iterator[str]:
    """Each difference as `path: what is wrong`."""
    path = f"tables.{spec.name}"
    if description is None:
        yield f"{path}: DynamoDB has no table of this name"
        return
    key = tuple(part["AttributeName"] for part in description["KeySchema"])  # DynamoDB lists HASH before RANGE
    if spec.key and spec.key != key:
        yield f"{path}.key: the table's key is [{', '.join(key)}], not [{', '.join(spec.key)}]"
    if spec.source == "streams":
        yield from _stream_mistakes(spec, description.get("StreamSpecification", {}), path)


def _stream_mistakes(spec: TableSpec, stream: Mapping[str, Any], path: str) -> Iterator[str]:
    if not stream.get("StreamEnabled"):
        yield f"{path}: the table has no stream; turn one on with view type {BOTH_IMAGES}"
        return
    view_type = stream.get("StreamViewType")
    needs_both = {"type_attribute": spec.type_attribute, "where": spec.filter.where}
    needs = " and ".join(name for name, is_set in needs_both.items() if is_set)
    if needs and view_type != BOTH_IMAGES:
        yield f"{path}: {needs} cannot work on a stream of view type {view_type}; it must be {BOTH_IMAGES}"
