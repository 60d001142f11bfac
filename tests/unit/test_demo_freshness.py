"""Freshness counts from the write's return to the first search that finds the document, and forgets no probe."""

from dataclasses import dataclass, field
from threading import Event

from tailrace_local.demo.documents import ReadError
from tailrace_local.demo.freshness import FreshnessProbe, ProbeLog, percentile


def flight(number):
    return {"id": {"S": f"2013-01-01|UA{number}|EWR|0515"}, "carrier": {"S": "UA"}}


@dataclass
class Clock:
    """Moves a second whenever it is read."""

    seconds: float = 0.0

    def __call__(self):
        self.seconds += 1.0
        return self.seconds


@dataclass
class ScriptedDocuments:
    """Finds everything it is asked for, after as many failures and empty answers as it is told."""

    failures: int = 0
    blind: int = 0
    asked: list = field(default_factory=list)

    def find_ids(self, alias, ids):
        self.asked.append((alias, tuple(ids)))
        if len(self.asked) <= self.failures:
            raise ReadError("no alias yet")
        return [] if len(self.asked) <= self.failures + self.blind else list(ids)


def probe(documents, count=1, put=lambda item: None):
    return FreshnessProbe([flight(n) for n in range(count)], put, documents, "flights", clock=Clock())


def already(is_set=True):
    event = Event()
    if is_set:
        event.set()
    return event


def test_percentiles_are_by_nearest_rank():
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 99) == 4.0
    assert percentile([], 50) is None


def test_a_wait_ends_with_the_first_search_that_finds_the_document():
    log = ProbeLog(written_at={"a": 10.0, "b": 11.0})
    log.found(["a"], 12.5)
    log.found(["a", "b"], 15.0)

    assert log.summary().p50_seconds == 2.5
    assert log.summary().worst_seconds == 4.0


def test_a_probe_that_is_never_found_shows_in_the_summary():
    summary = ProbeLog(written_at={"a": 10.0, "b": 11.0}, found_at={"a": 12.0}).summary()

    assert (summary.probes, summary.found) == (2, 1)


def test_probes_are_looked_for_by_the_ids_that_documents_have():
    documents = ScriptedDocuments()

    probe(documents).run(Event(), Event())

    assert documents.asked == [("flights", ("2013-01-01\\|UA0\\|EWR\\|0515",))]


def test_a_search_that_fails_is_made_again():
    documents = ScriptedDocuments(failures=2, blind=1)
    probing = probe(documents)

    probing.run(Event(), Event())

    assert len(documents.asked) == 4
    assert probing.log.summary().found == 1


def test_in_a_hurry_what_is_left_is_written_but_no_longer_measured():
    written = []
    probing = probe(ScriptedDocuments(), count=3, put=written.append)

    probing.run(already(), Event())

    assert written == [flight(0), flight(1), flight(2)]
    assert probing.log.summary().probes == 0


def test_a_probe_stops_when_it_is_told_to():
    documents = ScriptedDocuments()

    probe(documents).run(Event(), already())

    assert documents.asked == []
