"""Builders with defaults for what tests are about: stream records, tables, pipelines on in-memory twins."""

from dataclasses import dataclass, field
from typing import Any

from tailrace.adapters.memory import ManualClock, MemoryDeadLetters, MemoryEngine, MemoryItems
from tailrace.decoding import decode_event
from tailrace.delivery import DeliveryPolicy
from tailrace.pipeline import BatchReport, Pipeline
from tailrace.tables import Tables, load_tables

STREAM_ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-21T12:51:11.612"
SECOND = 1_763_726_400
SEQUENCE = 111_000_000_000_000_000_000_000


def stream_arn(table: str = "orders") -> str:
    return STREAM_ARN.replace("/orders/", f"/{table}/")


def order(id_: str = "o-1", **attributes: Any) -> dict[str, Any]:
    """An item of the table `orders`: key `id`, a status and a total."""
    return {"id": {"S": id_}, "status": {"S": "PAID"}, "total": {"N": "12.5"}} | attributes


def change_record(
    op: str = "INSERT",
    new: dict[str, Any] | None = None,
    old: dict[str, Any] | None = None,
    sequence: int = 1,
    second: int = SECOND,
    table: str = "orders",
    key_names: tuple[str, ...] = ("id",),
    **overrides: Any,
) -> dict[str, Any]:
    """A DynamoDB Streams record as Lambda delivers it. `sequence` counts up from 1."""
    new = order() if new is None and op != "REMOVE" else new
    old = order() if old is None and op == "REMOVE" else old
    change = {
        "ApproximateCreationDateTime": second,
        "Keys": {name: (new or old or {})[name] for name in key_names},
        "SequenceNumber": str(SEQUENCE + sequence),
        "SizeBytes": 100,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    change |= {"NewImage": new} if new is not None else {}
    change |= {"OldImage": old} if old is not None else {}
    return {
        "eventID": f"{sequence:032x}",
        "eventName": op,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": change,
        "eventSourceARN": stream_arn(table),
    } | overrides


def event(*records: Any) -> dict[str, Any]:
    return {"Records": list(records)}


def sequence_number(sequence: int) -> str:
    return str(SEQUENCE + sequence)


def tables(**orders: Any) -> Tables:
    """A spec with one table, `orders`, keyed by `id`, and whatever else is said of it."""
    return load_tables({"tables": {"orders": {"key": ["id"], "source": "streams"} | orders}})


@dataclass
class Indexer:
    """The pipeline on its twins, as a test sees it."""

    tables: Tables = field(default_factory=tables)
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    items: MemoryItems = field(default_factory=MemoryItems)
    clock: ManualClock = field(default_factory=ManualClock)
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)

    def index(self, *records: Any, seconds: float = 30.0) -> BatchReport:
        """One invocation with `seconds` of time budget."""
        pipeline = Pipeline(self.tables, self.engine, self.letters, self.items, self.clock, self.policy)
        return pipeline.process(decode_event(event(*records)), self.clock.now() + seconds)

    def counts(self, *records: Any, seconds: float = 30.0) -> dict[str, int]:
        """The outcomes of one invocation that are not zero."""
        account = self.index(*records, seconds=seconds).account.as_dict()
        return {name: count for name, count in account.items() if count and name != "records_in"}
