"""The indexer's Kinesis event files: real shapes, each to its last document."""

import json
from pathlib import Path

import orjson
import pytest
from builders import Indexer

from tailrace.adapters.tables_file import read_tables
from tailrace.decoding import decode_event
from tailrace.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events/indexer"


@pytest.fixture
def indexer():
    """The repository's own tables, on twins; the table answers no read, so that the records alone decide."""
    indexer = Indexer(tables=read_tables(ROOT / "tables.yaml"))
    indexer.items.is_down = True
    return indexer


def process(indexer, name):
    """One invocation with an event file: its outcomes that are not zero."""
    pipeline = Pipeline(indexer.tables, indexer.engine, indexer.letters, indexer.items, indexer.clock)
    records = decode_event(json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8")))
    account = pipeline.process(records, indexer.clock.now() + 30).account.as_dict()
    return {outcome: count for outcome, count in account.items() if count and outcome != "records_in"}


def shown(indexer, alias, *fields):
    """What the read alias shows: id to the named fields."""
    return {id_: [document[name] for name in fields] for id_, document in indexer.engine.visible(alias).items()}


def test_microseconds_order_a_batch_that_comes_out_of_order(indexer):
    assert process(indexer, "kinesis-microseconds") == {"superseded": 1, "indexed": 1}
    assert shown(indexer, "airlines", "name") == {"VX": ["Alaska Airlines"]}
    assert indexer.engine.visible("airlines")["VX"]["ddb"]["changed_at"] == "2025-11-21T12:00:00.123457Z"


def test_milliseconds_are_known_with_their_flag_and_without(indexer):
    assert process(indexer, "kinesis-milliseconds") == {"indexed": 2}
    found = [document["ddb"] for document in indexer.engine.visible("airlines").values()]
    assert [(ddb["source"], ddb["changed_at"]) for ddb in found] == [("kinesis", "2025-11-21T12:00:00.123Z")] * 2


def test_binaries_and_a_binary_key_are_what_streams_would_have_made_of_them(indexer):
    assert process(indexer, "kinesis-binary") == {"indexed": 1}
    assert shown(indexer, "badges", "id", "photos") == {"EgIIew": ["EgIIew==", ["iVBORw==", "/9g="]]}


def test_the_replicators_envelope_is_ordered_by_sequence_number(indexer):
    assert process(indexer, "kinesis-envelope") == {"superseded": 1, "indexed": 1}
    ddb = indexer.engine.visible("airlines")["VX"]["ddb"]
    assert (ddb["source"], ddb["seq"], ddb["op"]) == ("replicator", "111000000000000000000002", "modify")


def test_many_tables_of_one_stream_reach_their_own_indices(indexer):
    assert process(indexer, "kinesis-many-tables") == {"indexed": 2, "superseded": 1, "deleted": 1}
    assert shown(indexer, "airports", "alt") == {"EWR": [18]}
    assert shown(indexer, "planes-fixed=20wing=20multi=20engine", "seats") == {"N10156": [55]}
    assert shown(indexer, "airlines", "name") == {}
    assert orjson.loads(indexer.engine.documents["airlines", "B6"])["ddb"]["ttl"] is True


def test_failure_39_garbage_is_kept_with_its_own_reasons_and_its_neighbours_are_indexed(indexer):
    assert process(indexer, "kinesis-garbage") == {"indexed": 2, "dead_lettered": 5}
    letters = [orjson.loads(body) for body in indexer.letters.letters.values()]
    assert [letter["reason"] for letter in letters] == [
        "not_base64",
        "not_json",
        "kpl_aggregated",
        "not_a_change",
        "unknown_format",
    ]


def test_every_kinesis_event_file_has_its_test():
    text = Path(__file__).read_text(encoding="utf-8")

    assert [path.stem for path in EVENTS.glob("kinesis-*.json") if f'"{path.stem}"' not in text] == []
