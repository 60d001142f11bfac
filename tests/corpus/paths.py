"""The ways from a table to the index, each into indices of its own, and what came of it byte for byte."""

import base64
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import requests
from builders import SECOND, change_record, sequence_number
from kinesis_builders import envelope, kinesis_payload, kinesis_record

from corpus.items import Item, with_binaries
from tailrace.adapters.memory import ManualClock, MemoryDeadLetters, MemoryItems
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.decoding import decode_event
from tailrace.delivery import DeliveryPolicy
from tailrace.pipeline import Pipeline
from tailrace.ports import CALL_TIMEOUT_SECONDS, IndexFields, ItemResult, StoredDocument
from tailrace.records import ChangeRecord
from tailrace.tables import load_tables

IDS_PER_SEARCH = 200
ONE_REQUEST = DeliveryPolicy(max_bulk_bytes=20_000_000)


class CorpusTable:
    """A table behind an engine that remembers every document sent to it."""

    def __init__(self, engine: OpenSearchEngine, prefix: str, name: str, spec: Mapping[str, Any]) -> None:
        self.engine, self.alias, self.name, self.key_names = engine, f"{prefix}{name}", name, tuple(spec["key"])
        self.sent: dict[str, bytes] = {}
        self._specs = load_tables({"defaults": {"index_prefix": prefix}, "tables": {name: spec}})

    def index(self, records: Sequence[Any]) -> dict[str, int]:
        """One invocation; the outcomes that are not zero."""
        clock = ManualClock()
        pipeline = Pipeline(self._specs, self, MemoryDeadLetters(), MemoryItems(), clock, ONE_REQUEST)
        account = pipeline.process(records, clock.now() + 60).account.as_dict()
        return {name: count for name, count in account.items() if count and name != "records_in"}

    def bulk(self, body: bytes, count: int, timeout: float = CALL_TIMEOUT_SECONDS) -> Sequence[ItemResult]:
        """See `ports.SearchEngine.bulk`."""
        lines = body.split(b"\n")
        for head, source in zip(lines[::2], lines[1::2], strict=False):
            self.sent[json.loads(head)["index"]["_id"]] = source
        return self.engine.bulk(body, count)

    def read_stored(
        self, documents: Sequence[tuple[str, str]], timeout: float = CALL_TIMEOUT_SECONDS
    ) -> Sequence[StoredDocument | None]:
        """See `ports.SearchEngine.read_stored`."""
        return self.engine.read_stored(documents)

    def read_shadows(self, aliases: Collection[str], timeout: float = CALL_TIMEOUT_SECONDS) -> frozenset[str]:
        """See `ports.SearchEngine.read_shadows`."""
        return self.engine.read_shadows(aliases)

    def read_fields(self, alias: str, timeout: float = CALL_TIMEOUT_SECONDS) -> IndexFields:
        """See `ports.SearchEngine.read_fields`."""
        return self.engine.read_fields(alias)

    def ensure_index(self, alias: str, request: Mapping[str, Any], timeout: float = CALL_TIMEOUT_SECONDS) -> bool:
        """See `ports.SearchEngine.ensure_index`."""
        return self.engine.ensure_index(alias, request)

    def canonical_items(self) -> dict[str, bytes]:
        """The canonical JSON of each item by its document id: what was sent, without the bookkeeping."""
        return {id_: source[: source.rindex(b',"ddb":{"table":')] + b"}" for id_, source in self.sent.items()}

    def changed_by_the_engine(self) -> list[str]:
        """The ids that a search through the alias does not give back byte for byte as they were sent."""
        self.engine.request("POST", f"/{self.alias}/_refresh")
        ids = sorted(self.sent)
        chunks = [ids[start : start + IDS_PER_SEARCH] for start in range(0, len(ids), IDS_PER_SEARCH)]
        return [id_ for chunk in chunks for id_ in self._missing(chunk)]

    def _missing(self, ids: list[str]) -> list[str]:
        query = {"size": len(ids), "query": {"ids": {"values": ids}}}
        found = requests.post(f"{self.engine.url}/{self.alias}/_search", json=query, timeout=30).content
        return [id_ for id_ in ids if b'"_source":' + self.sent[id_] not in found]


def from_streams(table: CorpusTable, images: Sequence[Item]) -> list[Any]:
    """Binaries as base64, once."""
    return decode_event({"Records": _stream_records(table, images)})


def from_kinesis(table: CorpusTable, images: Sequence[Item]) -> list[Any]:
    """Binaries as base64 of base64."""
    records = enumerate(_stream_records(table, images))
    return decode_event({"Records": [kinesis_record(kinesis_payload(record), place) for place, record in records]})


def from_replicator(table: CorpusTable, images: Sequence[Item]) -> list[Any]:
    """Stream records in the replicator's envelope."""
    records = enumerate(_stream_records(table, images))
    return decode_event({"Records": [kinesis_record(envelope(record), place) for place, record in records]})


def from_scan(table: CorpusTable, images: Sequence[Item]) -> list[Any]:
    """Binaries as bytes, as an SDK gives them."""
    return [
        ChangeRecord(
            table.name, "insert", {name: image[name] for name in table.key_names}, image, None, None, None,
            SECOND * 10**9, "scan", None, False, None, sequence_number(place), {},
        )
        for place, image in enumerate(images)
    ]  # fmt: skip


PATHS: dict[str, Callable[[CorpusTable, Sequence[Item]], list[Any]]] = {
    "streams": from_streams,
    "kinesis": from_kinesis,
    "replicator": from_replicator,
    "scan": from_scan,
}


def _stream_records(table: CorpusTable, images: Sequence[Item]) -> list[Item]:
    return [
        change_record(
            new=with_binaries(image, lambda value: base64.b64encode(value).decode()),
            sequence=place,
            table=table.name,
            key_names=table.key_names,
        )
        for place, image in enumerate(images)
    ]
