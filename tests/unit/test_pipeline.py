"""The laws on the in-memory twins; tests/integration runs the same on a real engine."""

import orjson
import pytest
from builders import SECOND, Indexer, change_record, order, sequence_number, tables
from hypothesis import given
from hypothesis import strategies as st

from tailrace import delivery
from tailrace.adapters.memory import ManualClock, MemoryEngine, MemoryItems
from tailrace.failures import Disposition, EngineError, FailureRow
from tailrace.outcomes import ConservationError
from tailrace.ports import ItemResult

FIRST, SECOND_SEQUENCE = sequence_number(1), sequence_number(2)


def insert(**fields):
    return change_record(op="INSERT", **fields)


def modify(total, **fields):
    return change_record(op="MODIFY", new=order(total={"N": total}), old=order(), **fields)


def remove(**fields):
    return change_record(op="REMOVE", **fields)


def response(*positions):
    return {"batchItemFailures": [{"itemIdentifier": position} for position in positions]}


# -- documents ----------------------------------------------------------------------------------------------------


def test_an_insert_becomes_a_document_with_its_bookkeeping():
    indexer = Indexer()

    report = indexer.index(insert())

    assert report.as_response() == response()
    assert indexer.engine.visible("orders") == {
        "o-1": {
            "id": "o-1",
            "status": "PAID",
            "total": 12.5,
            "ddb": {
                "table": "orders",
                "key": {"id": {"S": "o-1"}},
                "op": "insert",
                "seq": FIRST,
                "event_id": "0" * 31 + "1",
                "changed_at": "2025-11-21T12:00:00Z",
                "source": "streams",
                "digest": "a5f20fc400977faf12836d44e997059e",
            },
        }
    }


def test_a_remove_leaves_a_tombstone_that_searches_do_not_see():
    indexer = Indexer()

    indexer.index(insert(), remove(sequence=2))

    assert indexer.engine.visible("orders") == {}
    assert orjson.loads(indexer.engine.documents["orders", "o-1"])["ddb"]["deleted"] is True


def test_a_ttl_delete_is_marked():
    indexer = Indexer()
    identity = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}

    indexer.index(remove(userIdentity=identity))

    assert orjson.loads(indexer.engine.documents["orders", "o-1"])["ddb"]["ttl"] is True


def test_an_attribute_called_ddb_is_quarantined_not_lost():
    indexer = Indexer()

    indexer.index(insert(new=order(ddb={"S": "mine"})))

    rejected = indexer.engine.visible("orders")["o-1"]["ddb"]["rejected"]
    assert rejected == {"ddb": {"value": "mine", "reason": "the name is reserved"}}


@pytest.mark.parametrize(
    ("how", "expected"), [("drop", None), ("mask", "***"), ("hash", "0d1da159cb692fc675edad79671c91d8")]
)
def test_a_redacted_field_never_reaches_the_index(how, expected):
    indexer = Indexer(tables=tables(fields={"ssn": {"redact": how}}))

    indexer.index(insert(new=order(ssn={"S": "078-05-1120"})))

    assert b"078-05-1120" not in indexer.engine.documents["orders", "o-1"]
    assert indexer.engine.visible("orders")["o-1"].get("ssn") == expected


def test_hard_deletes_remove_the_document():
    indexer = Indexer(tables=tables(deletes="hard"))

    indexer.index(insert())
    assert indexer.counts(remove(sequence=2, second=SECOND + 1)) == {"deleted": 1}

    assert indexer.engine.documents == {}


def test_trap_6_a_hard_delete_creates_its_alias_before_it_could_create_an_index():
    indexer = Indexer(tables=tables(deletes="hard"))

    assert indexer.counts(remove()) == {"deleted": 1}
    assert indexer.engine.aliases == {"orders"}


# -- order --------------------------------------------------------------------------------------------------------


def test_failure_22_remove_then_insert_in_one_batch_leaves_the_document():
    indexer = Indexer()

    counts = indexer.counts(remove(sequence=1), insert(sequence=2))

    assert counts == {"superseded": 1, "indexed": 1}
    assert "o-1" in indexer.engine.visible("orders")


def test_failure_3_two_writes_of_one_second_in_two_batches_the_last_wins():
    indexer = Indexer()

    indexer.index(insert(sequence=1))
    counts = indexer.counts(modify("99", sequence=2))

    assert counts == {"indexed": 1}
    assert indexer.engine.visible("orders")["o-1"]["total"] == 99


def test_failure_33_a_redelivered_batch_is_duplicate_and_no_dead_letter():
    indexer = Indexer()
    indexer.index(insert())

    assert indexer.counts(insert()) == {"duplicate": 1}
    assert indexer.letters.letters == {}


def test_an_older_change_that_comes_late_is_stale():
    indexer = Indexer()
    indexer.index(modify("2", sequence=2))

    assert indexer.counts(insert(sequence=1)) == {"stale": 1}
    assert indexer.engine.visible("orders")["o-1"]["total"] == 2


def test_failure_2_a_removed_item_never_comes_back_by_an_older_change():
    indexer = Indexer()
    indexer.index(remove(sequence=9, second=SECOND + 90))

    assert indexer.counts(modify("5", sequence=3)) == {"stale": 1}
    assert indexer.engine.visible("orders") == {}


def test_failure_18_a_remove_of_the_same_second_beats_the_write_before_it():
    indexer = Indexer()
    indexer.index(insert(sequence=1))

    assert indexer.counts(remove(sequence=2)) == {"deleted": 1}
    assert indexer.engine.visible("orders") == {}


def test_what_sequence_numbers_cannot_decide_is_read_from_the_table():
    indexer = Indexer()
    indexer.index(insert(sequence=1))
    indexer.engine.documents["orders", "o-1"] = b'{"ddb":{"table":"orders"}}'
    indexer.items.tables["orders"] = [order(total={"N": "77"})]

    assert indexer.counts(modify("3", sequence=2)) == {"indexed": 1}
    assert indexer.engine.visible("orders")["o-1"]["total"] == 77


def test_an_undecidable_conflict_with_no_answer_from_the_table_is_failed_not_guessed():
    indexer = Indexer()
    indexer.index(insert(sequence=1))
    indexer.engine.documents["orders", "o-1"] = b'{"ddb":{"table":"orders"}}'
    indexer.items.is_down = True

    assert indexer.index(modify("3", sequence=2)).as_response() == response(SECOND_SEQUENCE)


# -- types and filters --------------------------------------------------------------------------------------------

TYPED = {"type_attribute": "status"}


def move(new, old, **fields):
    return change_record(op="MODIFY", new=order(status={"S": new}), old=order(status={"S": old}), **fields)


def test_a_change_of_type_moves_the_document():
    indexer = Indexer(tables=tables(**TYPED))
    indexer.index(insert(new=order(status={"S": "NEW"})))

    assert indexer.counts(move("PAID", "NEW", sequence=2)) == {"indexed": 1}
    assert indexer.engine.visible("orders-new") == {}
    assert list(indexer.engine.visible("orders-paid")) == ["o-1"]


def test_a_move_there_and_back_in_one_batch_ends_where_the_table_is():
    indexer = Indexer(tables=tables(**TYPED))
    indexer.index(insert(new=order(status={"S": "NEW"})))

    counts = indexer.counts(move("PAID", "NEW", sequence=2), move("NEW", "PAID", sequence=3))

    assert counts == {"superseded": 1, "indexed": 1}
    assert list(indexer.engine.visible("orders-new")) == ["o-1"]
    assert indexer.engine.visible("orders-paid") == {}


def test_an_item_without_its_type_attribute_is_of_the_default_type():
    indexer = Indexer(tables=tables(**TYPED))

    indexer.index(insert(new={"id": {"S": "o-1"}}))

    assert list(indexer.engine.visible("orders-default")) == ["o-1"]


def test_an_item_that_stops_matching_where_leaves_the_index():
    indexer = Indexer(tables=tables(filter={"where": {"status": ["PAID"]}}))
    indexer.index(insert())

    assert indexer.counts(move("CLOSED", "PAID", sequence=2)) == {"deleted": 1}
    assert indexer.engine.visible("orders") == {}


def test_an_item_that_never_matched_where_is_filtered():
    indexer = Indexer(tables=tables(filter={"where": {"status": ["PAID"]}}))

    assert indexer.counts(insert(new=order(status={"S": "NEW"})), move("CLOSED", "NEW", sequence=2)) == {"filtered": 2}


def test_excluded_operations_and_ttl_deletes_are_filtered():
    indexer = Indexer(tables=tables(filter={"exclude_operations": ["insert"], "exclude_ttl_deletes": True}))
    identity = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}

    assert indexer.counts(insert(), remove(sequence=2, userIdentity=identity)) == {"filtered": 2}


# -- view types ---------------------------------------------------------------------------------------------------


def keys_only(op="MODIFY", sequence=1):
    record = change_record(op=op, new=order(), sequence=sequence)
    change = {k: v for k, v in record["dynamodb"].items() if not k.endswith("Image")}
    return record | {"dynamodb": change | {"StreamViewType": "KEYS_ONLY"}}


def test_a_view_type_without_the_new_image_reads_the_item_from_the_table():
    indexer = Indexer()
    indexer.items.tables["orders"] = [order(total={"N": "5"})]

    assert indexer.counts(keys_only()) == {"indexed": 1}
    assert indexer.engine.visible("orders")["o-1"]["total"] == 5


def test_an_item_that_is_gone_when_it_is_read_is_deleted():
    indexer = Indexer()

    assert indexer.counts(keys_only()) == {"deleted": 1}


def test_a_table_that_does_not_answer_is_a_failure_and_not_a_document():
    indexer = Indexer()
    indexer.items.is_down = True

    assert indexer.index(keys_only()).as_response() == response(FIRST)


def test_a_typed_table_with_keys_only_is_dead_lettered_with_the_view_type():
    indexer = Indexer(tables=tables(**TYPED))

    assert indexer.counts(keys_only()) == {"dead_lettered": 1}
    assert "KEYS_ONLY" in next(iter(indexer.letters.letters.values())).decode()


# -- failures -----------------------------------------------------------------------------------------------------


def refuse(id_, status, kind):
    return lambda alias, document, source: ItemResult(status, kind, "a reason") if document == id_ else None


def test_failure_14_a_poison_record_hurts_only_itself():
    indexer = Indexer()
    good = [insert(new=order(f"o-{n}"), sequence=n) for n in (1, 3)]

    counts = indexer.counts(good[0], insert(new=order("o-2", total={"N": "many"}), sequence=2), good[1])

    assert counts == {"indexed": 2, "dead_lettered": 1}
    assert set(indexer.engine.visible("orders")) == {"o-1", "o-3"}


def test_failure_31_a_dead_letter_holds_the_complete_record_and_why():
    indexer = Indexer()
    indexer.engine.refuse = refuse("o-1", 400, "mapper_parsing_exception")
    wire = insert()

    report = indexer.index(wire)

    [(key, body)] = indexer.letters.letters.items()
    letter = orjson.loads(body)
    assert key == f"dead-letters/orders/2025/11/21/{letter['id']}.json"
    assert letter["record"] == wire
    assert (letter["table"], letter["reason"], letter["detail"]) == ("orders", "mapper_parsing_exception", "a reason")
    assert letter["source"]["sequence_number"] == FIRST
    assert report.as_response() == response()


def test_a_redelivered_poison_record_overwrites_its_dead_letter():
    indexer = Indexer()
    poison = insert(new=order(total={"N": "many"}))

    indexer.index(poison)
    indexer.index(poison)

    assert len(indexer.letters.letters) == 1


def test_failure_51_a_dead_letter_that_cannot_be_stored_is_a_failed_record():
    indexer = Indexer()
    indexer.letters.is_down = True

    assert indexer.index(insert(new=order(total={"N": "many"}))).as_response() == response(FIRST)


def test_text_that_is_not_unicode_is_a_dead_letter_that_can_be_stored():
    indexer = Indexer()

    assert indexer.counts(insert(new=order(note={"S": "\ud800"}))) == {"dead_lettered": 1}


def test_failure_16_with_the_engine_down_nothing_is_acknowledged():
    indexer = Indexer()
    indexer.engine.outage = 503

    report = indexer.index(insert(sequence=1), insert(new=order("o-2"), sequence=2), seconds=20)

    assert report.as_response() == response(FIRST)
    assert 15 <= sum(indexer.clock.slept) <= 20


def test_failure_29_a_403_fails_fast_and_drops_nothing():
    indexer = Indexer()
    indexer.engine.outage = 403

    assert indexer.index(insert()).as_response() == response(FIRST)
    assert indexer.clock.slept == []


def test_failure_17_mixed_results_are_taken_item_by_item():
    indexer = Indexer()
    busy = iter([ItemResult(429, "rejected_execution_exception")])
    indexer.engine.aliases.add("orders")
    indexer.engine.refuse = lambda _, id_, __: {
        "o-2": lambda: next(busy, None),
        "o-3": lambda: ItemResult(400, "mapper_parsing_exception"),
    }.get(id_, lambda: None)()

    counts = indexer.counts(*(insert(new=order(f"o-{n}"), sequence=n) for n in (1, 2, 3)))

    assert counts == {"indexed": 2, "dead_lettered": 1}


def test_failure_27_a_413_is_cut_in_half_down_to_the_one_document():
    indexer = Indexer()
    bulk = indexer.engine.bulk
    indexer.engine.aliases.add("orders")

    class Small:
        def __getattr__(self, name):
            return getattr(indexer.engine, name)

        def bulk(self, body, count, timeout):
            if len(body) > 1500:
                raise delivery.EngineError(413, "too large")
            return bulk(body, count)

    pipeline = Indexer(engine=Small(), letters=indexer.letters)
    big = insert(new=order("o-2", note={"S": "x" * 2000}), sequence=2)

    counts = pipeline.counts(insert(sequence=1), big, *(insert(new=order(f"o-{n}"), sequence=n) for n in (3, 4, 5)))

    assert counts == {"indexed": 4, "dead_lettered": 1}


def test_a_missing_alias_is_created_once_and_the_write_repeated():
    indexer = Indexer()

    report = indexer.index(insert(sequence=1), insert(new=order("o-2"), sequence=2))

    assert report.counts["indices_created"] == 1
    assert len(indexer.engine.bodies) == 2
    assert indexer.clock.slept == []


def test_an_unknown_table_is_refused_when_the_specs_say_so():
    from tailrace.tables import load_tables

    specs = load_tables({"defaults": {"unknown_tables": "refuse"}, "tables": {"other": {"key": ["id"]}}})
    indexer = Indexer(tables=specs)

    assert indexer.counts(insert()) == {"dead_lettered": 1}
    assert b'"unknown_table"' in next(iter(indexer.letters.letters.values()))


def test_failure_82_two_tables_in_one_pipeline_do_not_affect_each_other():
    indexer = Indexer()

    indexer.index(insert(new=order("x"), table="orders"), insert(new=order("x"), table="invoices", sequence=2))

    assert indexer.engine.visible("orders")["x"]["ddb"]["table"] == "orders"
    assert indexer.engine.visible("invoices")["x"]["ddb"]["table"] == "invoices"


class Refusing(MemoryEngine):
    """A twin that refuses all but bulk requests with one status."""

    def ensure_index(self, alias, request, timeout):
        raise EngineError(403, "the engine answered 403")

    def read_stored(self, documents, timeout):
        raise EngineError(403, "the engine answered 403")


def test_failure_29_a_refused_creation_or_read_fails_fast_and_says_403():
    indexer = Indexer(engine=Refusing())

    report = indexer.index(insert())

    assert report.as_response() == response(FIRST)
    assert [problem.reason for problem in report.problems] == ["http_403"]
    assert indexer.clock.slept == []


@pytest.mark.parametrize("status", [404, 405])
def test_an_endpoint_that_is_no_bulk_endpoint_fails_and_dead_letters_nothing(status):
    indexer = Indexer()
    indexer.engine.outage = status

    assert indexer.counts(insert(sequence=1), insert(new=order("o-2"), sequence=2)) == {"failed": 2}
    assert indexer.letters.letters == {}


def test_a_404_of_an_index_action_is_never_a_success():
    indexer = Indexer()
    indexer.engine.refuse = refuse("o-1", 404, "some_other_exception")

    assert indexer.counts(insert()) == {"failed": 1}


def test_a_late_older_write_after_a_hard_delete_ends_without_a_document():
    indexer = Indexer(tables=tables(deletes="hard"))
    indexer.index(remove(sequence=9, second=SECOND + 90))

    assert indexer.counts(insert(sequence=1)) == {"stale": 1}
    assert indexer.engine.documents == {}


def test_a_hard_delete_that_the_table_has_undone_since_is_written_again():
    indexer = Indexer(tables=tables(deletes="hard"), clock=ManualClock(SECOND + 200.0))
    indexer.index(remove(sequence=9, second=SECOND + 90))
    indexer.items.tables["orders"] = [order(total={"N": "8"})]

    assert indexer.counts(insert(sequence=1)) == {"indexed": 1}
    assert indexer.engine.visible("orders")["o-1"]["total"] == 8


class ChangingItems(MemoryItems):
    """A table whose item is another one, or gone, at every reading."""

    def read(self, table, keys):
        item = super().read(table, keys)
        self.tables[table] = self.tables[table][1:]
        return item


def test_what_is_written_over_a_hard_delete_is_confirmed_by_the_table():
    items = ChangingItems({"orders": [order(total={"N": "8"}), order(total={"N": "9"})]})
    indexer = Indexer(tables=tables(deletes="hard"), items=items, clock=ManualClock(SECOND + 200.0))
    indexer.index(remove(sequence=9, second=SECOND + 90))

    indexer.index(insert(sequence=1))

    assert indexer.engine.visible("orders") == {}


def test_a_document_that_others_keep_writing_is_settled_again_after_a_pause_and_not_without_end():
    indexer = Indexer()
    indexer.engine.refuse = refuse("o-1", 409, "version_conflict_engine_exception")

    assert indexer.index(insert()).as_response() == response(FIRST)
    assert indexer.clock.slept


def test_an_undecidable_remove_of_an_item_that_is_there_writes_the_item():
    indexer = Indexer()
    indexer.index(insert(second=SECOND + 5))
    indexer.engine.documents["orders", "o-1"] = b'{"ddb":{"table":"orders"}}'
    indexer.items.tables["orders"] = [order(total={"N": "77"})]

    assert indexer.counts(remove(sequence=2)) == {"indexed": 1}
    assert indexer.engine.visible("orders")["o-1"]["total"] == 77


def test_a_dead_letter_redelivered_on_another_day_has_the_same_key():
    indexer = Indexer()
    poison = insert(new=order(total={"N": "many"}))
    indexer.index(poison)
    indexer.clock.seconds += 86_400

    indexer.index(poison)

    assert len(indexer.letters.letters) == 1


@pytest.mark.parametrize("arn", ["arn:aws:dynamodb:x:1:table/../stream/y", "arn:aws:x/../../y", "x/a b/c/d", 7])
def test_an_unreadable_arn_never_shapes_the_key_of_a_dead_letter(arn):
    indexer = Indexer()

    indexer.index(insert(eventSourceARN=arn, eventName="TRUNCATE"))

    assert next(iter(indexer.letters.letters)).startswith("dead-letters/unknown/2023/11/14/")


# -- conservation -------------------------------------------------------------------------------------------------


def test_law_1_a_record_without_an_outcome_is_noticed(monkeypatch):
    lost = FailureRow(frozenset(), Disposition.RETRY, "")
    monkeypatch.setattr(delivery, "classify_item", lambda status, kind, is_delete: lost)
    monkeypatch.setattr(delivery.Delivery, "_end_all", lambda *_: None)
    indexer = Indexer()

    with pytest.raises(ConservationError, match="1 records in, 0 outcomes, 1 records without one"):
        indexer.index(insert())


def test_the_lowest_failed_sequence_number_is_reported_as_a_number_not_as_text():
    indexer = Indexer()
    indexer.engine.outage = 503
    long_, short = "1" + "0" * 21, "9" * 21
    records = [insert(new=order("a"), sequence=1), insert(new=order("b"), sequence=2)]
    records[0]["dynamodb"]["SequenceNumber"] = long_
    records[1]["dynamodb"]["SequenceNumber"] = short

    assert indexer.index(*records).as_response() == response(short)


def test_trap_17_a_failed_record_without_a_position_fails_the_whole_batch():
    indexer = Indexer()
    indexer.letters.is_down = True

    assert indexer.index("text").as_response() == response("")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("SNBML ") | st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.sampled_from(["Keys", "NewImage", "OldImage", "SequenceNumber", "StreamViewType"]), JSON, st.booleans())
def test_law_5_whatever_a_record_holds_it_has_an_outcome_and_its_neighbour_is_indexed(field, junk, is_typed):
    indexer = Indexer(tables=tables(**(TYPED | {"filter": {"where": {"status": ["PAID", 1]}}} if is_typed else {})))
    odd = change_record("MODIFY", new=order("odd"), old=order("odd"), sequence=1)
    odd["dynamodb"][field] = junk

    report = indexer.index(odd, insert(new=order("fine"), sequence=2))

    assert report.account.records_in == 2
    assert list(indexer.engine.visible("orders-paid" if is_typed else "orders"))[-1] == "fine"
