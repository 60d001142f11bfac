"""Each kind of fault by itself, and what the failure rows say of it."""

import pytest
from builders import change_record, order, sequence_number

from chaos.observing import ALWAYS, POISON, WRITING, batch, first_failed, lettered, shown
from chaos.schedules import PROXY_FAULTS, Fault
from tailrace.adapters.memory import ManualClock
from tailrace.delivery import DeliveryPolicy

pytestmark = pytest.mark.slow


@pytest.mark.both_engines
@pytest.mark.parametrize("kind", [kind for kind in PROXY_FAULTS if kind != "413"])
def test_a_batch_outlives_one_fault_of_its_kind(indexer, disturb, opensearch, corner, kind):
    indexer.index(change_record(new=order("before"), sequence=100))
    director = disturb(Fault(kind, at=0, span=1, amount=2))

    answers = [first_failed(indexer.index(*batch("a", "b", "c"), seconds=5.0)) for _ in range(2)]

    assert director.strikes == {kind: 1}
    assert answers[-1] == []
    assert shown(opensearch, corner) == ["a", "b", "before", "c"]
    assert lettered(indexer) == {}


@pytest.mark.parametrize("amount", range(32))
def test_json_that_does_not_tell_the_generations_is_asked_again(indexer, disturb, amount):
    indexer.index(change_record(new=order("before"), sequence=100))
    disturb(Fault("no object", at=0, amount=amount))

    assert indexer.counts(*batch("a", "b"), seconds=5.0) == {"indexed": 2}


@pytest.mark.parametrize("amount", range(32))
def test_json_that_is_no_answer_is_asked_again(indexer, disturb, amount):
    indexer.index(change_record(new=order("before"), sequence=100))
    disturb(Fault("no object", at=WRITING, amount=amount))

    assert indexer.counts(*batch("a", "b"), seconds=5.0) == {"duplicate": 2}


def test_failure_16_an_engine_that_is_down_reports_the_whole_batch(indexer, disturb, opensearch, corner):
    disturb(Fault("reset before", at=0, span=ALWAYS))

    report = indexer.index(*batch("a", "b", "c"))

    assert first_failed(report) == [sequence_number(1)]
    assert report.account.as_dict()["failed"] == 3
    assert lettered(indexer) == {}
    disturb()
    assert indexer.counts(*batch("a", "b", "c")) == {"indexed": 3}


def test_failure_17_of_a_mixed_answer_the_busy_item_is_sent_again_and_the_refused_one_is_a_dead_letter(
    indexer, disturb, opensearch, corner
):
    indexer.index(change_record(new=order("before"), sequence=100))
    disturb(Fault("429 on items", at=0, amount=2))  # of three actions, the last one is held back

    report = indexer.index(
        change_record(new=order("a"), sequence=1),
        change_record(new=order("b", **POISON), sequence=2),
        change_record(new=order("c"), sequence=3),
    )

    assert first_failed(report) == []
    assert report.counts["bulk_requests"] == 2
    assert report.counts["retries"] == 1
    assert list(lettered(indexer)) == ["b"]
    assert shown(opensearch, corner) == ["a", "before", "c"]


def test_failure_27_a_single_document_over_the_limit_is_a_dead_letter_and_its_neighbours_are_indexed(
    indexer, disturb, opensearch, corner
):
    disturb(Fault("413", at=0, span=ALWAYS, amount=10_000))

    counts = indexer.counts(
        change_record(new=order("a"), sequence=1),
        change_record(new=order("b", note={"S": "x" * 20_000}), sequence=2),
        change_record(new=order("c"), sequence=3),
    )

    assert counts == {"indexed": 2, "dead_lettered": 1}
    assert lettered(indexer) == {"b": "http_413"}
    assert shown(opensearch, corner) == ["a", "c"]


@pytest.mark.parametrize("status", ["401", "403"])
def test_failure_29_a_refused_identity_fails_at_first_sight_and_drops_nothing(
    indexer, disturb, opensearch, corner, status
):
    indexer.index(change_record(new=order("before"), sequence=100))
    director = disturb(Fault(status, at=0, span=ALWAYS))

    report = indexer.index(*batch("a", "b"))

    assert director.strikes == {status: 1}
    assert first_failed(report) == [sequence_number(1)]
    assert {problem.reason for problem in report.problems} == {f"http_{status}"}
    assert lettered(indexer) == {}
    disturb()
    assert indexer.counts(*batch("a", "b")) == {"indexed": 2}


@pytest.mark.both_engines
@pytest.mark.parametrize("kind", ["write block", "full disk block"])
def test_failure_30_what_a_block_held_up_arrives_when_it_is_lifted(indexer, disturb, opensearch, corner, kind):
    indexer.index(change_record(new=order("before"), sequence=100))
    disturb(Fault(kind, at=0, span=ALWAYS))

    blocked = indexer.index(*batch("a", "b"))
    disturb()

    assert first_failed(blocked) == [sequence_number(1)]
    assert lettered(indexer) == {}
    assert indexer.counts(*batch("a", "b")) == {"indexed": 2}
    assert shown(opensearch, corner) == ["a", "b", "before"]


@pytest.mark.parametrize("kind", ["write block", "full disk block"])
def test_failure_30_a_block_that_is_lifted_in_time_costs_no_more_than_retries(indexer, disturb, kind):
    indexer.index(change_record(new=order("before"), sequence=100))
    disturb(Fault(kind, at=0, span=3))

    report = indexer.index(*batch("a", "b"))

    assert report.account.as_dict()["indexed"] == 2
    assert report.counts["retries"] == 6


def test_failures_31_35_dead_letters_are_exactly_what_was_refused_whatever_else_goes_wrong(
    indexer, disturb, opensearch, corner
):
    disturb(
        Fault("429 on items", at=0, span=3, amount=5),
        Fault("reset after", at=5),
        Fault("missing item", at=4),
        Fault("half answer", at=8, amount=40),
    )
    good, bad = [f"g{n}" for n in range(20)], [f"p{n}" for n in range(3)]
    records = [change_record(new=order(id_), sequence=n) for n, id_ in enumerate(good)]
    records[5:5] = [change_record(new=order(id_, **POISON), sequence=50 + n) for n, id_ in enumerate(bad)]
    indexer.policy = DeliveryPolicy(max_bulk_bytes=1_500)

    report = indexer.index(*records)

    assert first_failed(report) == []
    assert sorted(lettered(indexer)) == bad
    assert shown(opensearch, corner) == sorted(good)


def test_failure_36_one_bad_document_stops_nothing(indexer, opensearch, corner):
    bad = change_record(new=order("bad", **POISON), sequence=1)

    counts = [indexer.counts(bad, change_record(new=order(f"o-{n}"), sequence=n)) for n in range(2, 6)]

    assert counts == [{"indexed": 1, "dead_lettered": 1}] * 4
    assert len(indexer.letters.letters) == 1
    assert shown(opensearch, corner) == ["o-2", "o-3", "o-4", "o-5"]


def test_failure_37_a_permanent_error_makes_nobody_wait(indexer, opensearch, corner):
    indexer.clock = ManualClock()

    report = indexer.index(*batch("a"), change_record(new=order("b", **POISON), sequence=2), *batch("c"))

    assert indexer.clock.slept == []
    assert report.counts["bulk_requests"] == 2  # the second for the index that was missing
    assert shown(opensearch, corner) == ["a", "c"]


def test_failure_51_a_letter_that_cannot_be_stored_fails_its_record_and_no_other(indexer, opensearch, corner):
    records = [change_record(new=order("a"), sequence=1), change_record(new=order("b", **POISON), sequence=2)]
    indexer.letters.is_down = True

    down = indexer.index(*records, change_record(new=order("c"), sequence=3))
    indexer.letters.is_down = False
    up = indexer.index(records[1], change_record(new=order("c"), sequence=3))

    assert first_failed(down) == [sequence_number(2)]
    assert first_failed(up) == []
    assert list(lettered(indexer)) == ["b"]
    assert shown(opensearch, corner) == ["a", "c"]
