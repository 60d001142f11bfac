"""Failure 34: every policy against every class of error, on every path. A policy that holds on one path holds on all.

The rows are the classes of error; the columns are what is left of a document and of a removal under each policy.
"""

import pytest
from builders import Indexer, change_record, order, tables
from kinesis_builders import envelope, kinesis_payload, kinesis_record

from tailrace.failures import EngineError
from tailrace.ports import ItemResult
from tailrace.tables import load_tables

INDEXED, DELETED, LETTER, FAILED = ("indexed", "deleted", "dead_lettered", "failed")
MAPPING = ItemResult(400, "mapper_parsing_exception", "failed to parse")

# Per document: the answer, the end of an insertion (quarantine, dead_letter) and of a removal (soft, hard).
DOCUMENT_ERRORS = {
    "a document that no mapping takes": (MAPPING, LETTER, LETTER, LETTER, LETTER),
    "an argument that is illegal": (ItemResult(400, "illegal_argument_exception"), LETTER, LETTER, LETTER, LETTER),
    "an index that is closed": (ItemResult(400, "index_closed_exception"), LETTER, LETTER, LETTER, LETTER),
    "an identity without the right": (ItemResult(403, "security_exception"), FAILED, FAILED, FAILED, FAILED),
    "an identity that is unknown": (ItemResult(401, "security_exception"), FAILED, FAILED, FAILED, FAILED),
    "a write block": (ItemResult(403, "cluster_block_exception"), FAILED, FAILED, FAILED, FAILED),
    "a disk that is full": (ItemResult(429, "cluster_block_exception"), FAILED, FAILED, FAILED, FAILED),
    "a throttle": (ItemResult(429, "rejected_execution_exception"), FAILED, FAILED, FAILED, FAILED),
    "a shard that is away": (ItemResult(503, "unavailable_shards_exception"), FAILED, FAILED, FAILED, FAILED),
    "an error of the engine's own": (ItemResult(500, "null_pointer_exception"), FAILED, FAILED, FAILED, FAILED),
    "an alias that never comes": (ItemResult(404, "index_not_found_exception"), FAILED, FAILED, FAILED, FAILED),
    "a document too large": (ItemResult(413, "too_large"), LETTER, LETTER, LETTER, LETTER),
    "a method not allowed": (ItemResult(405, "x"), LETTER, LETTER, LETTER, LETTER),
    "a status that nobody knows": (ItemResult(418, "teapot"), FAILED, FAILED, FAILED, FAILED),
}
# Of the request as a whole: its status, and the end of whatever it carries alone.
REQUEST_ERRORS = {
    400: LETTER, 401: FAILED, 403: FAILED, 404: FAILED, 405: FAILED, 406: FAILED, 408: FAILED, 411: FAILED, 413: LETTER,
    415: FAILED, 418: FAILED, 429: FAILED, 500: FAILED, 502: FAILED, 503: FAILED, 504: FAILED,
}  # fmt: skip


def by_streams(record):
    return record


def by_kinesis(record):
    return kinesis_record(kinesis_payload(record))


def by_replicator(record):
    return kinesis_record(envelope(record))


each_path = pytest.mark.parametrize("carry", [by_streams, by_kinesis, by_replicator])
each_conflict_policy = pytest.mark.parametrize("on_type_conflict", ["quarantine", "dead_letter"])
each_delete_policy = pytest.mark.parametrize("deletes", ["soft", "hard"])
INSERTION, REMOVAL = change_record(new=order(shape={"S": "x"})), change_record("REMOVE", old=order())


class NoBulk:
    """The twin, but every bulk request is answered with a status."""

    def __init__(self, engine, status):
        self._engine, self._status = engine, status

    def bulk(self, body, count, timeout):
        raise EngineError(self._status, "not now")

    def __getattr__(self, name):
        return getattr(self._engine, name)


def indexer_with(**orders):
    """An indexer whose index is there already."""
    indexer = Indexer(tables=tables(**orders))
    indexer.index(change_record(new=order("first"), sequence=9))
    return indexer


@each_path
@each_delete_policy
@pytest.mark.parametrize(("on_type_conflict", "column"), [("quarantine", 1), ("dead_letter", 2)])
@pytest.mark.parametrize("error", DOCUMENT_ERRORS.values(), ids=DOCUMENT_ERRORS)
def test_failure_34_a_document_ends_as_its_error_and_the_policy_say(carry, deletes, on_type_conflict, column, error):
    indexer = indexer_with(deletes=deletes, on_type_conflict=on_type_conflict)
    indexer.engine.refuse = lambda *_: error[0]

    assert indexer.counts(carry(INSERTION), seconds=1) == {error[column]: 1}


@each_path
@each_conflict_policy
@pytest.mark.parametrize(("deletes", "column"), [("soft", 3), ("hard", 4)])
@pytest.mark.parametrize("error", DOCUMENT_ERRORS.values(), ids=DOCUMENT_ERRORS)
def test_failure_34_a_removal_ends_as_its_error_says(carry, on_type_conflict, deletes, column, error):
    indexer = indexer_with(deletes=deletes, on_type_conflict=on_type_conflict)
    indexer.engine.refuse = lambda *_: error[0]

    assert indexer.counts(carry(REMOVAL), seconds=1) == {error[column]: 1}


@each_path
@each_delete_policy
@pytest.mark.parametrize(("on_type_conflict", "end"), [("quarantine", INDEXED), ("dead_letter", LETTER)])
def test_failure_34_a_field_at_fault_costs_itself_or_its_document(carry, deletes, on_type_conflict, end):
    indexer = indexer_with(deletes=deletes, on_type_conflict=on_type_conflict)
    indexer.engine.refuse_field = lambda name, _: "no" if name == "shape" else None

    assert indexer.counts(carry(INSERTION)) == {end: 1}


@each_path
@each_delete_policy
@each_conflict_policy
@pytest.mark.parametrize(("status", "end"), REQUEST_ERRORS.items())
@pytest.mark.parametrize("record", [INSERTION, REMOVAL], ids=["insertion", "removal"])
def test_failure_34_a_request_ends_as_its_status_says_whatever_the_policies(
    carry, deletes, on_type_conflict, status, end, record
):
    indexer = indexer_with(deletes=deletes, on_type_conflict=on_type_conflict)
    indexer.engine = NoBulk(indexer.engine, status)

    assert indexer.counts(carry(record), seconds=1) == {end: 1}


@each_path
@pytest.mark.parametrize(
    ("unknown_tables", "op", "end"),
    [
        ("follow_defaults", "INSERT", INDEXED),
        ("follow_defaults", "REMOVE", DELETED),
        ("refuse", "INSERT", LETTER),
        ("refuse", "REMOVE", LETTER),
    ],
)
def test_failure_34_a_table_that_is_not_declared_is_taken_or_refused_on_every_path(carry, unknown_tables, op, end):
    specs = load_tables({"defaults": {"unknown_tables": unknown_tables}, "tables": {"orders": {"key": ["id"]}}})
    indexer = Indexer(tables=specs)

    assert indexer.counts(carry(change_record(op, table="undeclared"))) == {end: 1}
