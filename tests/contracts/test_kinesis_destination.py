"""Specification tests: what DynamoDB puts into a data stream for a change, and what it may do on the way."""

import base64
import json
from itertools import count
from random import Random

import pytest
from builders import SECOND, change_record, order, sequence_number

from tailrace.decoding import decode_event
from tailrace_local.disturbances import DestinationPolicy, Disturbances
from tailrace_local.functions import ThrottledError
from tailrace_local.kinesis_destination import ATTEMPTS, KinesisDestination, cut
from tailrace_local.kinesis_payloads import Entry, Instants, build_payload, partition_key
from tailrace_local.stream_sources import SourceError

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/changes"
INSTANT = SECOND * 1_000_000 + 7
REFUSED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}


class ScriptedKinesis:
    """Takes entries as its script says: numbers of the entries to refuse, or an error, for each call."""

    def __init__(self, *script):
        self.script = list(script)
        self.calls = []

    def call(self, operation, request):
        refused = self.script.pop(0) if self.script else ()
        if isinstance(refused, Exception):
            raise refused
        self.calls.append(request)
        taken = {"SequenceNumber": "1", "ShardId": "shardId-0"}
        results = [REFUSED if number in refused else taken for number, _ in enumerate(request["Records"])]
        return {"FailedRecordCount": len(refused), "Records": results}

    def batches(self):
        return [[json.loads(base64.b64decode(each["Data"])) for each in call["Records"]] for call in self.calls]

    def payloads(self):
        return [payload for batch in self.batches() for payload in batch]


def put(*records, kinesis=None, policy=None):
    """The destination after one event."""
    destination = destination_of(kinesis or ScriptedKinesis(), policy)
    destination.invoke(event(*records))
    return destination


def destination_of(kinesis, policy=None):
    return KinesisDestination(STREAM, kinesis, policy or DestinationPolicy(), Random(1), sleep=lambda _: None)


def event(*records):
    return json.dumps({"Records": records}).encode()


def many(number):
    return [change_record(new=order(f"o-{index}"), sequence=index) for index in range(number)]


def ids(payloads):
    return [payload["dynamodb"]["Keys"]["id"]["S"] for payload in payloads]


class TestPayload:
    """Section 2.1: the payload of a change."""

    def test_it_has_these_fields_and_no_others(self):
        record = change_record("MODIFY", new=order(total={"N": "2"}), old=order(total={"N": "1"}))

        assert build_payload(record, INSTANT, "MICROSECOND") == {
            "awsRegion": "us-east-1",
            "eventID": "c12948c7-0a0f-54bc-a691-bc53fbec88f9",
            "eventName": "MODIFY",
            "userIdentity": None,
            "recordFormat": "application/json",
            "tableName": "orders",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_763_726_400_000_007,
                "ApproximateCreationDateTimePrecision": "MICROSECOND",
                "Keys": {"id": {"S": "o-1"}},
                "NewImage": {"id": {"S": "o-1"}, "status": {"S": "PAID"}, "total": {"N": "2"}},
                "OldImage": {"id": {"S": "o-1"}, "status": {"S": "PAID"}, "total": {"N": "1"}},
                "SizeBytes": 100,
            },
            "eventSource": "aws:dynamodb",
        }

    def test_milliseconds_say_so(self):
        change = build_payload(change_record(), INSTANT, "MILLISECOND")["dynamodb"]

        assert change["ApproximateCreationDateTime"] == 1_763_726_400_000
        assert change["ApproximateCreationDateTimePrecision"] == "MILLISECOND"

    def test_a_destination_that_was_told_no_precision_writes_milliseconds_without_a_flag(self):
        change = build_payload(change_record(), INSTANT, None)["dynamodb"]

        assert change["ApproximateCreationDateTime"] == 1_763_726_400_000
        assert "ApproximateCreationDateTimePrecision" not in change

    def test_a_removed_item_has_no_new_image(self):
        change = build_payload(change_record("REMOVE"), INSTANT, "MICROSECOND")["dynamodb"]

        assert "NewImage" not in change
        assert change["OldImage"]["id"] == {"S": "o-1"}

    def test_the_identity_of_a_ttl_delete_is_kept(self):
        identity = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        record = change_record("REMOVE", userIdentity=identity)

        assert build_payload(record, INSTANT, "MICROSECOND")["userIdentity"] == identity

    def test_binaries_are_base64_twice_at_any_depth_keys_included(self):
        once, twice = {"B": "EgIIew=="}, {"B": "RWdJSWV3PT0="}
        new = {"id": once, "m": {"M": {"B": {"L": [once, {"BS": ["EgIIew==", ""]}]}, "BS": {"S": "x"}}}}
        change = build_payload(change_record(new=new), INSTANT, "MICROSECOND")["dynamodb"]

        assert change["Keys"] == {"id": twice}
        assert change["NewImage"]["m"] == {"M": {"B": {"L": [twice, {"BS": ["RWdJSWV3PT0=", ""]}]}, "BS": {"S": "x"}}}

    def test_the_partition_key_is_32_hexadecimal_digits_of_the_items_key(self):
        key = partition_key("orders", {"pk": {"S": "a"}, "sk": {"N": "1"}})

        assert len(key) == 32
        assert set(key) <= set("0123456789ABCDEF")
        assert partition_key("orders", {"sk": {"N": "1"}, "pk": {"S": "a"}}) == key
        assert partition_key("orders", {"pk": {"S": "a"}, "sk": {"N": "2"}}) != key

    def test_the_indexer_reads_what_the_destination_writes(self):
        kinesis = ScriptedKinesis()
        put(change_record(new=order(blob={"B": "EgIIew=="})), kinesis=kinesis)
        ((sent,),) = [call["Records"] for call in kinesis.calls]
        inner = {"sequenceNumber": "9", "data": sent["Data"], "partitionKey": sent["PartitionKey"]}
        (change,) = decode_event({"Records": [{"eventSource": "aws:kinesis", "kinesis": inner}]})

        assert (change.table, change.operation, change.source) == ("orders", "insert", "kinesis")
        assert change.new_image["blob"] == {"B": "EgIIew=="}
        assert change.instant_ns == SECOND * 1_000_000_000


class TestInstants:
    """An instant never contradicts the order of one item, although the stream has whole seconds only."""

    def test_changes_of_one_second_are_numbered_within_it(self):
        assert Instants().assign([("1", 5), ("2", 5), ("3", 6)]) == [5_000_000, 5_000_001, 6_000_000]

    def test_the_number_goes_on_over_batches(self):
        instants = Instants()
        instants.assign([("1", 5)])

        assert instants.assign([("2", 5)]) == [5_000_001]

    def test_a_clock_that_goes_back_does_not_turn_the_order_around(self):
        instants = Instants()
        instants.assign([("1", 5)])

        assert instants.assign([("2", 4), ("3", 5)]) == [5_000_001, 5_000_002]

    def test_a_batch_that_comes_again_keeps_its_instants(self):
        instants = Instants()
        first = instants.assign([("1", 5), ("2", 5)])

        assert instants.assign([("1", 5), ("2", 5)]) == first == [5_000_000, 5_000_001]

    def test_the_rest_of_a_batch_that_comes_again_keeps_its_instants(self):
        instants = Instants()
        instants.assign([("1", 5), ("2", 5)])

        assert instants.assign([("2", 5), ("3", 5)]) == [5_000_001, 5_000_002]


class TestPuts:
    """PutRecords: quotas, and single failures."""

    def test_changes_go_out_in_the_tables_order_under_their_partition_keys(self):
        kinesis = ScriptedKinesis()
        put(*many(3), kinesis=kinesis)

        assert ids(kinesis.payloads()) == ["o-0", "o-1", "o-2"]
        assert [each["PartitionKey"] for each in kinesis.calls[0]["Records"]] == [
            partition_key("orders", {"id": {"S": f"o-{number}"}}) for number in range(3)
        ]
        assert kinesis.calls[0]["StreamARN"] == STREAM

    def test_a_call_has_at_most_500_records(self):
        kinesis = ScriptedKinesis()
        put(*many(1001), kinesis=kinesis)

        assert [len(batch) for batch in kinesis.batches()] == [500, 500, 1]

    def test_a_call_has_at_most_5_mib_partition_keys_included(self):
        half = Entry("k" * 32, b"x" * (512 * 1024 - 32))

        assert [len(batch) for batch in cut([half] * 11)] == [10, 1]
        assert [len(batch) for batch in cut([half] * 9 + [Entry("k" * 32, half.data + b"x")])] == [9, 1]

    def test_only_entries_that_were_refused_are_put_again(self):
        kinesis = ScriptedKinesis({1, 3})
        put(*many(5), kinesis=kinesis)

        assert [ids(batch) for batch in kinesis.batches()] == [["o-0", "o-1", "o-2", "o-3", "o-4"], ["o-1", "o-3"]]

    def test_a_call_without_an_answer_is_made_again_whole(self):
        kinesis = ScriptedKinesis(SourceError("PutRecords: no answer"))
        put(*many(2), kinesis=kinesis)

        assert [ids(batch) for batch in kinesis.batches()] == [["o-0", "o-1"]]

    def test_a_batch_that_cannot_be_put_waits_and_comes_again_as_it_was(self):
        kinesis = ScriptedKinesis(*[{0}] * ATTEMPTS)
        destination = destination_of(kinesis)
        with pytest.raises(ThrottledError):
            destination.invoke(event(change_record()))
        destination.invoke(event(change_record()))

        first, *again = kinesis.payloads()
        assert all(payload == first for payload in again)
        assert destination.counters.changes == 1

    def test_a_record_beyond_1_mib_is_left_out_and_counted(self):
        kinesis = ScriptedKinesis()
        large = change_record(new=order("large", text={"S": "x" * 1024 * 1024}))
        destination = put(large, change_record(new=order("small"), sequence=2), kinesis=kinesis)

        assert ids(kinesis.payloads()) == ["small"]
        assert (destination.counters.changes, destination.counters.too_large) == (1, 1)


class TestDisturbances:
    """The real service may write records twice and out of order."""

    def test_without_a_policy_nothing_is_disturbed(self):
        kinesis = ScriptedKinesis()
        put(*many(400), kinesis=kinesis)

        assert ids(kinesis.payloads()) == [f"o-{number}" for number in range(400)]

    def test_nothing_is_lost_and_as_many_come_twice_as_are_counted(self):
        kinesis = ScriptedKinesis()
        destination = destination_of(kinesis, DestinationPolicy(duplicated=0.2, displaced=0.2))
        destination.invoke(event(*many(400)))
        seen, counters = ids(kinesis.payloads()), destination.counters

        assert set(seen) == {f"o-{number}" for number in range(400)}
        assert len(seen) == 400 + counters.duplicated
        assert 0 < counters.duplicated < counters.displaced < 160

    def test_a_copy_is_the_same_to_the_byte(self):
        kinesis = ScriptedKinesis()
        put(*many(50), kinesis=kinesis, policy=DestinationPolicy(duplicated=1.0))
        sent = [each["Data"] for each in kinesis.calls[0]["Records"]]

        assert len(sent) > len(set(sent)) == 50

    def test_a_copy_may_come_with_a_later_call(self):
        disturbances = Disturbances(DestinationPolicy(duplicated=1.0), Random(1))
        entries = [Entry("k", b"%d" % number) for number in range(50)]
        now = disturbances.disturb(entries)
        later = disturbances.disturb([Entry("k", b"last")])

        assert 50 < len(now) < 100
        assert len(now) + len(later) in (101, 102)
        assert disturbances.duplicated == len(now) + len(later) - 51

    def test_a_displaced_entry_falls_back_behind_later_ones(self):
        disturbances = Disturbances(DestinationPolicy(displaced=0.05), Random(1))
        entries = [Entry("k", b"%d" % number) for number in range(400)]
        arrived = disturbances.disturb(entries)
        numbers = [int(entry.data) for entry in arrived]

        assert sorted(numbers) == list(range(400))
        assert numbers != sorted(numbers)
        assert max(at - number for at, number in zip(count(), numbers, strict=False)) <= 200

    def test_a_seed_repeats_the_run(self):
        first, second = ScriptedKinesis(), ScriptedKinesis()
        policy = DestinationPolicy(duplicated=0.3, displaced=0.3)
        put(*many(100), kinesis=first, policy=policy)
        put(*many(100), kinesis=second, policy=policy)

        assert first.payloads() == second.payloads()

    def test_reordering_does_not_touch_the_instants_of_an_item(self):
        kinesis = ScriptedKinesis()
        changes = [
            change_record("MODIFY", new=order(total={"N": str(number)}), sequence=number) for number in range(90)
        ]
        put(*changes, kinesis=kinesis, policy=DestinationPolicy(duplicated=0.5, displaced=0.5))
        told = [
            (payload["dynamodb"]["ApproximateCreationDateTime"], int(payload["dynamodb"]["NewImage"]["total"]["N"]))
            for payload in kinesis.payloads()
        ]

        assert [total for _, total in sorted(set(told))] == list(range(90))


def test_a_change_that_is_put_again_has_the_same_event_id():
    assert (
        build_payload(change_record(sequence=5), INSTANT, "MICROSECOND")["eventID"]
        == build_payload(change_record(sequence=5), INSTANT, "MICROSECOND")["eventID"]
        != build_payload(change_record(sequence=6), INSTANT, "MICROSECOND")["eventID"]
    )
    assert sequence_number(5) not in json.dumps(build_payload(change_record(sequence=5), INSTANT, "MICROSECOND"))
