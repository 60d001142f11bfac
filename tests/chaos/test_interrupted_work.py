"""Work that is interrupted, done twice, done late or done by two: what it leaves behind."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from builders import change_record, order, sequence_number

from chaos.bodies import NO_PERMISSION, bulk_answer, forwarded_items, read_pieces, refused_item
from chaos.observing import ALWAYS, WRITING, batch, first_failed, shown
from chaos.proxy import pass_on
from chaos.schedules import Fault
from chaos.shards import Mapping
from tailrace.delivery import DeliveryPolicy
from tailrace_local.deliveries import StreamRecord
from tailrace_local.partial_responses import read_response

pytestmark = pytest.mark.slow


def test_failures_44_58_an_invocation_near_its_limit_stops_in_time_and_reports_the_rest(
    indexer, disturb, opensearch, corner
):
    indexer.index(change_record(new=order("before"), sequence=100))
    indexer.policy = DeliveryPolicy(max_bulk_actions=1, grace_seconds=0.5)
    disturb(Fault("slow answer", at=0, span=ALWAYS))  # a third of a second each
    ids = [f"o-{n:02}" for n in range(20)]

    started = time.monotonic()
    report = indexer.index(*batch(*ids), seconds=2.0)
    seconds = time.monotonic() - started

    account = report.account.as_dict()
    assert seconds < 10.0
    assert account["indexed"] + account["failed"] == 20
    assert 1 <= account["indexed"] <= 6
    assert first_failed(report) == [sequence_number(account["indexed"] + 1)]
    disturb()
    assert first_failed(indexer.index(*batch(*ids))) == []
    assert shown(opensearch, corner) == ["before", *ids]


def test_failure_53_a_bulk_that_was_applied_and_not_answered_in_time_is_repeated_without_harm(
    indexer, disturb, opensearch, corner
):
    indexer.index(change_record(new=order("before"), sequence=100))
    indexer.policy = DeliveryPolicy(grace_seconds=0.05)
    disturb(Fault("slow answer", at=WRITING))

    report = indexer.index(*batch("a", "b"), seconds=0.1)

    assert first_failed(report) == [sequence_number(1)]
    assert indexer.counts(*batch("a", "b")) == {"duplicate": 2}
    assert shown(opensearch, corner) == ["a", "b", "before"]


def test_failure_53_a_bulk_that_lands_after_its_invocation_changes_nothing_newer(
    indexer, proxy, disturb, opensearch, corner
):
    indexer.index(change_record(new=order("a", total={"N": "0"}), sequence=1))
    indexer.policy = DeliveryPolicy(grace_seconds=0.05)
    disturb(Fault("late request", at=0))
    older = change_record(new=order("a", total={"N": "1"}), sequence=2)
    newer = change_record(new=order("a", total={"N": "2"}), sequence=3)

    late = indexer.index(older, seconds=0.1)
    indexer.index(older, newer)
    proxy.await_quiet()

    assert first_failed(late) == [sequence_number(2)]
    assert opensearch.request("GET", f"/{corner}orders/_doc/a")["_source"]["total"] == 2


@pytest.mark.parametrize(("amount", "account"), [(2, {"duplicate": 3}), (3, {"indexed": 1, "duplicate": 2})])
def test_failure_79_an_answer_with_fewer_results_than_actions_is_no_success(
    indexer, disturb, opensearch, corner, amount, account
):
    indexer.index(change_record(new=order("before"), sequence=100))
    disturb(Fault("missing item", at=0, amount=amount))  # even: carried out and not told; odd: overlooked

    assert indexer.counts(*batch("a", "b", "c")) == account
    assert shown(opensearch, corner) == ["a", "b", "before", "c"]


def test_two_functions_at_once_on_overlapping_batches_end_with_the_last_changes(indexer, disturb, opensearch, corner):
    disturb(Fault("429 on items", at=2, span=6, amount=5), Fault("reset after", at=9), Fault("503", at=12, span=3))
    changes = [
        change_record("MODIFY", new=order(f"o-{n % 5}", total={"N": str(n)}), old=order(), sequence=n)
        for n in range(1, 61)
    ]
    batches = [changes[n : n + 10] for n in range(0, 60, 10)], [changes[n : n + 15] for n in range(0, 60, 15)]

    def deliver(of_one):
        return [indexer.index(*records, seconds=60.0).account.as_dict()["failed"] for records in of_one]

    with ThreadPoolExecutor(2) as functions:
        failed = list(functions.map(deliver, batches))

    assert failed == [[0] * 6, [0] * 4]
    opensearch.request("POST", f"/{corner}orders/_refresh")
    hits = opensearch.request("GET", f"/{corner}orders/_search?size=10")["hits"]["hits"]
    assert sorted((hit["_id"], hit["_source"]["total"]) for hit in hits) == [
        ("o-0", 60), ("o-1", 56), ("o-2", 57), ("o-3", 58), ("o-4", 59),
    ]  # fmt: skip


def refuse_writes_of(id_):
    """An engine that refuses this identity the writes of one document, and takes all others."""

    def interfere(exchange):
        pieces = read_pieces(exchange.body) if exchange.is_bulk else []
        refused = [piece for piece in pieces if f'"_id":"{id_}"'.encode() in piece.content]
        passed = b"".join(piece.content for piece in pieces if piece not in refused)
        answer = exchange.forward(passed or None) if passed or not pieces else bulk_answer([])
        if refused:
            items = iter(forwarded_items(answer))
            error = refused_item("index", 403, NO_PERMISSION)
            answer = bulk_answer([error if piece in refused else next(items) for piece in pieces])
        exchange.reply(answer)

    return interfere


def stream_record(wire):
    return StreamRecord(wire["dynamodb"]["SequenceNumber"], wire["eventID"].encode(), 0.0, json.dumps(wire).encode())


def test_failure_81_what_follows_a_record_that_fails_for_good_is_applied_once_and_the_shard_moves_on(
    indexer, proxy, opensearch, corner
):
    proxy.interfere = refuse_writes_of("c")
    accounts = []

    def invoke(records):
        report = indexer.index(*(json.loads(record.body) for record in records))
        accounts.append({name: count for name, count in report.account.as_dict().items() if count})
        return read_response(json.dumps(report.as_response()).encode(), {r.sequence_number for r in records}, True)

    bucket = {}
    Mapping("m", invoke, 5, 1, bucket).deliver([stream_record(wire) for wire in batch(*"abcdefg")])

    assert accounts == [
        {"records_in": 5, "indexed": 4, "failed": 1},
        {"records_in": 3, "duplicate": 2, "failed": 1},
        {"records_in": 3, "duplicate": 2, "failed": 1},
        {"records_in": 2, "indexed": 2},
    ]
    [parked] = [json.loads(json.loads(body)["payload"])["Records"] for body in bucket.values()]
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in parked] == ["c", "d", "e"]
    assert shown(opensearch, corner) == [*"abdefg"]
    proxy.interfere = pass_on
    assert indexer.counts(*parked) == {"indexed": 1, "duplicate": 2}
