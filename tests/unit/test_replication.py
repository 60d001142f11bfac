"""DynamoDB Streams to Kinesis, on the in-memory stream."""

from collections import Counter
from dataclasses import dataclass, field

import orjson
import pytest
from builders import change_record, event, order, sequence_number, stream_arn, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from kinesis_builders import kinesis_change, kinesis_record

from tailrace.adapters.memory import ManualClock, MemoryDeadLetters
from tailrace.adapters.memory_kinesis import MemoryChangeStream
from tailrace.decoding import decode_event
from tailrace.failures import ChangeStreamError, Disposition
from tailrace.outcomes import ConservationError
from tailrace.replication import ReplicationPolicy, Replicator, partition_key
from tailrace.tables import Tables, load_tables

THROTTLED = "ProvisionedThroughputExceededException"


@dataclass
class Replication:
    """The replicator on its twins, as a test sees it."""

    tables: Tables = field(default_factory=tables)
    stream: MemoryChangeStream = field(default_factory=MemoryChangeStream)
    letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    clock: ManualClock = field(default_factory=ManualClock)
    policy: ReplicationPolicy = field(default_factory=ReplicationPolicy)

    def run(self, *records, seconds=30.0):
        parts = Replicator(self.tables, self.stream, self.letters, self.clock, self.policy)
        return parts.process(decode_event(event(*records)), self.clock.now() + seconds)

    def counts(self, *records, seconds=30.0):
        account = self.run(*records, seconds=seconds).account.as_dict()
        return {name: count for name, count in account.items() if count and name != "records_in"}

    def written(self):
        """(partition key, last digit of the sequence number) of every entry, in the order of the stream."""
        changes = [
            (entry.partition_key, orjson.loads(entry.data)["record"]["dynamodb"]) for entry in self.stream.entries
        ]
        return [(key, int(change["SequenceNumber"][-3:])) for key, change in changes]


def change(id_="o-1", sequence=1, **fields):
    return change_record(new=order(id_, **fields), sequence=sequence)


def response(*sequences):
    return {"batchItemFailures": [{"itemIdentifier": sequence_number(sequence)} for sequence in sequences]}


def failing(*codes_by_id):
    """A stream that refuses entries of these ids once per (id, code) given."""
    left = Counter(codes_by_id)

    def refuse(entry):
        for id_, code in left:
            if id_ == entry.partition_key and left[id_, code]:
                left[id_, code] -= 1
                return code
        return None

    return refuse


# -- entries ----------------------------------------------------------------------------------------------------------


def test_a_change_goes_on_complete_in_the_envelope_keyed_by_its_document_id():
    replication = Replication()
    wire = change(sequence=5)

    report = replication.run(wire)

    [entry] = replication.stream.entries
    assert entry.partition_key == "o-1"
    assert orjson.loads(entry.data) == {"format": "tailrace-change-1", "record": wire}
    assert report.account.as_dict() == {
        "records_in": 1,
        "failed": 0,
        "dead_lettered": 0,
        "replicated": 1,
        "filtered": 0,
    }
    assert report.as_response() == response()


def test_what_the_replicator_writes_the_indexer_reads():
    replication = Replication()
    wire = change(sequence=5, data={"B": "EgIIew=="})
    replication.run(wire)

    [replicated] = decode_event(event(kinesis_record(replication.stream.entries[0].data)))
    [streamed] = decode_event(event(wire))

    assert replicated == streamed._replace(source="replicator", position=replicated.position, wire=replicated.wire)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        (["id"], "o\\|1"),
        (["id", "at"], "o\\|1|12.5"),
        (["at", "id"], "12.5|o\\|1"),
    ],
)
def test_the_partition_key_is_the_document_id_in_key_order(keys, key):
    item = {"id": {"S": "o|1"}, "at": {"N": "0012.50"}}
    replication = Replication(tables=tables(key=keys))

    replication.run(change_record(new=item, key_names=tuple(keys)))

    assert replication.stream.entries[0].partition_key == key


def test_tables_that_share_an_index_have_different_keys():
    specs = load_tables(
        {"tables": {"shop.a": {"key": ["id"], "index": "all"}, "shop": {"key": ["id"], "index": "all"}}}
    )
    replication = Replication(tables=specs)

    replication.run(change_record(table="shop.a", sequence=1), change_record(table="shop", sequence=2))

    assert [entry.partition_key for entry in replication.stream.entries] == ["shop.a|o-1", "shop|o-1"]


@pytest.mark.parametrize(("length", "expected"), [(256, "é" * 256), (257, None), (2048, None), (0, None)])
def test_a_key_that_kinesis_would_refuse_is_hashed(length, expected):
    key = partition_key("é" * length)

    assert (key == expected) == (expected is not None)
    assert 1 <= len(key) <= 256


@given(st.text(max_size=600), st.text(max_size=600))
def test_two_ids_never_share_a_partition_key(one, other):
    assert (partition_key(one) == partition_key(other)) == (one == other)


# -- order and per-entry failures -------------------------------------------------------------------------------------


def test_failure_67_an_entry_that_failed_is_written_again_and_no_other():
    replication = Replication()
    replication.stream.refuse = failing(("b", THROTTLED), ("b", "InternalFailure"))

    counts = replication.counts(change("a", 1), change("b", 2), change("c", 3))

    assert counts == {"replicated": 3}
    assert replication.written() == [("a", 1), ("c", 3), ("b", 2)]
    assert len(replication.clock.slept) == 2


def test_a_later_change_of_an_item_never_overtakes_one_that_failed():
    replication = Replication()
    replication.stream.refuse = failing(("a", THROTTLED))

    replication.run(change("a", 1), change("b", 2), change("a", 3), change("a", 4))

    assert [entry for entry in replication.written() if entry[0] == "a"] == [("a", 1), ("a", 3), ("a", 4)]


def test_one_request_never_holds_two_changes_of_one_item_since_it_promises_no_order():
    replication = Replication()

    replication.run(*(change("a", sequence) for sequence in range(1, 5)), change("b", 5))

    assert [[entry.partition_key for entry in call] for call in replication.stream.calls] == [
        ["a", "b"],
        ["a"],
        ["a"],
        ["a"],
    ]
    assert replication.clock.slept == []


def test_failure_81_an_unwritten_record_is_never_acknowledged_the_lowest_is_named():
    replication = Replication()
    replication.stream.refuse = lambda entry: THROTTLED if entry.partition_key in ("b", "c") else None

    report = replication.run(change("a", 1), change("c", 2), change("b", 3), change("a", 4), change("b", 5), seconds=5)

    assert report.as_response() == response(2)
    assert report.account.as_dict() == {
        "records_in": 5,
        "failed": 3,
        "dead_lettered": 0,
        "replicated": 2,
        "filtered": 0,
    }
    assert 2 <= sum(replication.clock.slept) <= 5


def test_the_lowest_unwritten_sequence_number_is_the_lowest_number_not_the_lowest_text():
    replication = Replication()
    replication.stream.refuse = lambda entry: THROTTLED
    records = [change("a", 1), change("b", 2)]
    records[0]["dynamodb"]["SequenceNumber"] = "1" + "0" * 21
    records[1]["dynamodb"]["SequenceNumber"] = "9" * 21

    assert replication.run(*records).as_response() == {"batchItemFailures": [{"itemIdentifier": "9" * 21}]}


def test_failure_16_with_kinesis_down_nothing_is_acknowledged():
    replication = Replication()
    replication.stream.outage = ChangeStreamError("ServiceUnavailable", Disposition.RETRY)

    report = replication.run(change("a", 1), change("b", 2), seconds=20)

    assert report.as_response() == response(1)
    assert 15 <= sum(replication.clock.slept) <= 20


def test_failure_29_a_refused_identity_fails_fast_and_drops_nothing():
    replication = Replication()
    replication.stream.outage = ChangeStreamError("AccessDeniedException", Disposition.REFUSE)

    report = replication.run(change("a", 1), change("b", 2))

    assert report.as_response() == response(1)
    assert [problem.reason for problem in report.problems] == ["AccessDeniedException"] * 2
    assert replication.clock.slept == []
    assert replication.letters.letters == {}


def test_requests_are_cut_by_count_and_by_bytes():
    replication = Replication()
    note = {"S": "x" * 9_000}

    replication.run(*(change(f"o-{n}", n, note=note) for n in range(1, 1001)), seconds=60)

    assert len(replication.stream.entries) == 1000
    assert [len(call) for call in replication.stream.calls] == [500, 500]
    assert all(sum(len(entry.data) for entry in call) <= 5_000_000 for call in replication.stream.calls)


def test_a_request_holds_no_more_than_five_megabytes():
    replication = Replication()
    note = {"S": "x" * 700_000}

    assert replication.counts(*(change(f"o-{n}", n, note=note) for n in range(1, 10))) == {"replicated": 9}
    assert [len(call) for call in replication.stream.calls] == [7, 2]


CHANGES = st.lists(st.sampled_from("abc"), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(CHANGES, st.lists(st.booleans(), max_size=30))
def test_law_2_whatever_fails_each_item_keeps_its_order_and_every_record_is_written_or_named(ids, failures):
    replication = Replication(policy=ReplicationPolicy(max_request_records=2))
    script = iter(failures)
    replication.stream.refuse = lambda entry: THROTTLED if next(script, False) else None
    records = [change(id_, sequence) for sequence, id_ in enumerate(ids, start=1)]

    report = replication.run(*records, seconds=1)

    written = replication.written()
    unwritten = [n for n, id_ in enumerate(ids, start=1) if (id_, n) not in written]
    for id_ in "abc":
        of_item = [n for key, n in written if key == id_]
        assert of_item == [n for n, other in enumerate(ids, start=1) if other == id_][: len(of_item)]
    assert report.as_response() == response(*unwritten[:1])


# -- what does not go on ----------------------------------------------------------------------------------------------


def test_failure_14_a_poison_record_hurts_only_itself():
    replication = Replication()
    poison = change(sequence=2)
    del poison["dynamodb"]["Keys"]

    assert replication.counts(change("a", 1), poison, change("b", 3)) == {"replicated": 2, "dead_lettered": 1}
    [letter] = [orjson.loads(body) for body in replication.letters.letters.values()]
    assert (letter["table"], letter["reason"], letter["record"]) == ("orders", "undecodable", poison)


def test_a_change_too_large_for_a_kinesis_record_is_a_dead_letter_and_complete():
    replication = Replication()
    huge = change("a", 1, note={"S": "x" * 1024 * 1024})

    assert replication.counts(huge, change("a", 2)) == {"dead_lettered": 1, "replicated": 1}
    [letter] = [orjson.loads(body) for body in replication.letters.letters.values()]
    assert (letter["reason"], letter["record"]) == ("too_large", huge)


def test_a_change_of_exactly_one_mebibyte_with_its_key_goes_on():
    replication = Replication()
    empty = change("a", 1, note={"S": ""})
    room = 1024 * 1024 - len(orjson.dumps({"format": "tailrace-change-1", "record": empty})) - len("a")

    assert replication.counts(change("a", 1, note={"S": "x" * room})) == {"replicated": 1}
    assert replication.counts(change("a", 1, note={"S": "x" * (room + 1)})) == {"dead_lettered": 1}


def test_failure_65_what_came_by_kinesis_does_not_go_round_in_circles():
    replication = Replication()

    assert replication.counts(kinesis_change(), change(sequence=2)) == {"dead_lettered": 1, "replicated": 1}


def test_failure_40_a_change_without_its_key_attributes_is_a_dead_letter():
    replication = Replication(tables=tables(key=["id", "at"]))

    assert replication.counts(change()) == {"dead_lettered": 1}


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_text_that_is_not_unicode_is_a_dead_letter(text):
    assert Replication().counts(change(note={"S": text}), change(text, 2)) == {"dead_lettered": 2}


def test_changes_that_the_tables_spec_leaves_out_are_filtered():
    replication = Replication(tables=tables(filter={"exclude_operations": ["insert"], "exclude_ttl_deletes": True}))
    identity = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    removed = change_record("REMOVE", sequence=2, userIdentity=identity)

    assert replication.counts(change(), removed, change_record("REMOVE", sequence=3)) == {
        "filtered": 2,
        "replicated": 1,
    }


def test_an_unknown_table_is_refused_when_the_specs_say_so():
    specs = load_tables({"defaults": {"unknown_tables": "refuse"}, "tables": {"other": {"key": ["id"]}}})

    assert Replication(tables=specs).counts(change()) == {"dead_lettered": 1}


def test_failure_51_a_dead_letter_that_cannot_be_stored_is_a_failed_record():
    replication = Replication()
    replication.letters.is_down = True

    assert replication.run("text", change(sequence=2)).as_response() == {"batchItemFailures": [{"itemIdentifier": ""}]}
    assert replication.run(change("a", 1), change_record(sequence=2, eventName="?")).as_response() == response(2)


def test_failure_82_two_tables_in_one_replicator_do_not_affect_each_other():
    replication = Replication()

    replication.run(change_record(table="orders"), change_record(table="invoices", sequence=2))

    arns = [orjson.loads(entry.data)["record"]["eventSourceARN"] for entry in replication.stream.entries]
    assert arns == [stream_arn("orders"), stream_arn("invoices")]


def test_law_1_a_record_without_an_outcome_is_noticed(monkeypatch):
    monkeypatch.setattr("tailrace.replication._Batch._write_all", lambda self: None)

    with pytest.raises(ConservationError, match="1 records in, 0 outcomes, 1 records without one"):
        Replication().run(change())
