"""The tables of `tables.yaml` as DynamoDB tables on the emulator, so that somebody can write to them at once.

Invariant: a table is made only where its key is declared. A key attribute is a number (N) where its declared field is a
number or a date in epoch seconds or milliseconds, binary (B) where its field is, else text (S).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tailrace.tables import Tables, TableSpec, logical_name

ATTRIBUTE_TYPES: Mapping[str, str] = {"number": "N", "binary": "B"}


def table_requests(tables: Tables) -> list[dict[str, Any]]:
    """A CreateTable request, with a stream of both images, for every table whose key is declared."""
    return [_table_request(spec) for spec in tables.specs.values() if spec.key]


def create_tables(dynamodb: Any, requests: Iterable[Mapping[str, Any]]) -> None:
    """Create what does not exist yet, with point-in-time recovery, which exports need."""
    existing = set(_table_names(dynamodb))
    for request in requests:
        if (name := request["TableName"]) not in existing:
            dynamodb.create_table(**request)
            recovery = {"PointInTimeRecoveryEnabled": True}
            dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)


def kinesis_tables(tables: Tables) -> frozenset[str]:
    """The tables whose changes come by Kinesis."""
    return frozenset(name for name, spec in tables.specs.items() if spec.source == "kinesis")


def table_streams(dynamodb: Any) -> dict[str, str]:
    """The ARN of each existing table's stream, by the table's name."""
    tables = (dynamodb.describe_table(TableName=name)["Table"] for name in _table_names(dynamodb))
    return {table["TableName"]: table["LatestStreamArn"] for table in tables if table.get("LatestStreamArn")}


def stream_parameters(streams: Mapping[str, str]) -> dict[str, str]:
    """The ARNs of tables' streams by the template parameter that takes each (`<Table>StreamArn`)."""
    return {f"{logical_name(name)}StreamArn": arn for name, arn in streams.items()}


def _table_names(dynamodb: Any) -> Iterator[str]:
    for page in dynamodb.get_paginator("list_tables").paginate():
        yield from page["TableNames"]


def _table_request(spec: TableSpec) -> dict[str, Any]:
    kinds = dict(zip(spec.key, ("HASH", "RANGE"), strict=False))
    return {
        "TableName": spec.name,
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in kinds.items()],
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": _attribute_type(spec, n)} for n in kinds],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def _attribute_type(spec: TableSpec, name: str) -> str:
    field = spec.fields.get(name)
    if field is None:
        return "S"
    is_epoch = field.type == "date" and (field.format or "").startswith("epoch_")
    return "N" if is_epoch else ATTRIBUTE_TYPES.get(str(field.type), "S")
