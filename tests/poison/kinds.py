"""What a kind of poison is, and the tables that poison is put into.

Invariant: a kind says its end by itself, from what DynamoDB, OpenSearch and the docs say, never from what the product
answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from builders import change_record, order

from tailrace.tables import Tables, load_tables

Value = dict[str, Any]
Make = Callable[[str, int], Any]

TEXT, NUMBER, FLAG = {"S": "some text"}, {"N": "1"}, {"BOOL": True}
MAP = {"M": {"x": {"N": "1"}}}


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter with this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Indexed:
    """A document with exactly these fields set apart."""

    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `make` builds its wire record for an item's id and a place in the stream.

    `mended` are the fields that a replay sets apart once the cause is mended; None where nothing mends the record.
    `is_rewritten` says that the cause is the item itself: it has to be written again, as a plain order.
    """

    name: str
    end: Letter | Indexed
    make: Make
    table: str = "orders"
    mended: tuple[str, ...] | None = None
    is_rewritten: bool = False


# Undeclared attributes `text`, `number`, `flag` and `map` get their types from the first document of each index.
TAUGHT = {"text": TEXT, "number": NUMBER, "flag": FLAG, "map": MAP}
FIELDS: Mapping[str, Any] = {
    "created": {"type": "date"},
    "day": {"type": "date", "format": "strict_date"},
    "expires": {"type": "date", "format": "epoch_second"},
    "place": {"type": "geo_point"},
    "area": {"type": "geo_shape"},
    "host": {"type": "ip"},
    "amount": {"type": "number"},
    "ratio": {"type": "number", "format": "float"},
    "count": {"type": "number", "format": "long"},
    "units": {"type": "number", "format": "integer"},
    "rank": {"type": "number", "format": "short"},
    "tiny": {"type": "number", "format": "byte"},
    "big": {"type": "number", "format": "unsigned_long"},
    "price": {"type": "number", "format": "scaled_float", "scaling_factor": 100},
    "done": {"type": "boolean"},
    "payload": {"type": "flat"},
    "lines": {"type": "nested"},
    "code": {"type": "keyword"},
    "note": {"type": "text"},
    "blob": {"type": "binary"},
    "home.point": {"type": "geo_point"},
}


def poison_tables(prefix: str = "") -> Tables:
    """The tables that are declared: others are refused."""
    return load_tables(poison_document(prefix))


def poison_document(prefix: str = "") -> dict[str, Any]:
    """As a tables file holds them."""
    return {
        "defaults": {"index_prefix": prefix, "unknown_tables": "refuse"},
        "tables": {
            "orders": {"key": ["id"], "fields": FIELDS},
            "strict": {"key": ["id"], "fields": FIELDS, "on_type_conflict": "dead_letter"},
            "planes": {"key": ["id"], "type_attribute": "status"},
            "wide": {"key": ["id"]},
            "sums": {"key": ["id"]},
            "blobs": {"key": ["id"]},
            "pairs": {"key": ["id", "line"]},
            "streamed": {"key": ["id"], "source": "kinesis"},
        },
    }


def mended_tables(prefix: str = "") -> Tables:
    """The tables once the causes are mended: fields are set apart everywhere, and what was unknown is declared."""
    document = poison_document(prefix)
    document["tables"] |= {
        "strict": {"key": ["id"], "fields": FIELDS},
        "undeclared": {"key": ["id"]},
        "ORDERS": {"key": ["id"], "index": "{prefix}large-{table}"},
    }
    return load_tables(document)


def insertion(id_: str, sequence: int, attributes: Mapping[str, Value], table: str = "orders") -> dict[str, Any]:
    """The insertion of an order with more attributes."""
    return change_record(new=order(id_, **attributes), sequence=sequence, table=table)


def rewritten(name: str, end: Letter, make: Make, table: str = "orders") -> Kind:
    """A kind that is mended by writing the item again."""
    return Kind(name, end, make, table, mended=(), is_rewritten=True)


def with_attributes(
    name: str,
    end: Letter | Indexed,
    attributes: Mapping[str, Value],
    table: str = "orders",
    mended: tuple[str, ...] | None = None,
) -> Kind:
    """A kind that lies in some attributes alone."""
    return Kind(name, end, lambda id_, sequence: insertion(id_, sequence, attributes, table), table, mended)
