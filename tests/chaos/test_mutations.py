"""The chaos notices: each rule of delivery is broken on purpose, and a bounded number of schedules shows it."""

import pytest

from chaos.campaign import Campaign
from chaos.schedules import Schedule, schedule_of
from tailrace import delivery, pipeline
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.delivery import Delivery
from tailrace.failures import Disposition, EngineError, FailureRow
from tailrace.outcomes import Outcome
from tailrace.ports import ItemResult
from tailrace.reports import BatchReport
from tailrace.settling import Ending, Settlement, Settler

pytestmark = pytest.mark.slow

FIRST_SEED = 20_000
MOST_SCHEDULES = 40


@pytest.fixture
def campaign(engine_url):
    with Campaign(engine_url) as running:
        yield running


def schedules_with(*kinds: str) -> list[Schedule]:
    """The first schedules in which one of these faults may strike and no process has to be started."""
    schedules = (schedule_of(seed) for seed in range(FIRST_SEED, FIRST_SEED + 2_000))
    fitting = (
        each for each in schedules if (found := {fault.kind for fault in each.faults}) & set(kinds)
        if "process killed" not in found
    )  # fmt: skip
    return [schedule for schedule, _ in zip(fitting, range(MOST_SCHEDULES), strict=False)]


def is_noticed(campaign: Campaign, *kinds: str) -> bool:
    """Whether one of the schedules ends wrong: in what is left behind, not with an exception."""
    for schedule in schedules_with(*kinds):
        text = campaign.judge(schedule)
        assert text is None or "Traceback" not in text, text
        if text is not None:
            return True
    return False


def done_at(status, classify):
    """A failure table in which one status means success."""

    def classify_wrongly(seen, *arguments):
        return FailureRow(frozenset({status}), Disposition.DONE, "") if seen == status else classify(seen, *arguments)

    return classify_wrongly


def end_as_done(delivery, actions, error):
    delivery._endings += [Ending(action, action.done) for action in actions]
    return []


def end_as_stale(settler, conflicts, is_late=False):
    return Settlement([], [], [Ending(action, Outcome.STALE) for action in conflicts])


def end_as_dead_letters(delivery, actions, error):
    delivery._end_all(actions, Outcome.DEAD_LETTERED, f"http_{error.status}", "")
    return []


def without_counting(bulk):
    """Whatever number of results there is, all actions are done."""

    def bulk_carelessly(engine, body, count, *limits, **named):
        try:
            return bulk(engine, body, count, *limits, **named)
        except EngineError as error:
            if "results for" not in str(error):
                raise
            return [ItemResult(200)] * count

    return bulk_carelessly


def acknowledge_first(store):
    """The record is done, whatever becomes of its letter."""

    def store_carelessly(*arguments):
        store(*arguments)
        return True

    return store_carelessly


def test_the_unbroken_product_shows_nothing(campaign):
    assert campaign.run(range(FIRST_SEED, FIRST_SEED + 15)).wrong == {}


def test_failure_17_busy_items_that_count_as_done_are_noticed(campaign, monkeypatch):
    monkeypatch.setattr(delivery, "classify_item", done_at(429, delivery.classify_item))

    assert is_noticed(campaign, "429 on items")


def test_failure_29_items_of_a_refused_identity_that_count_as_done_are_noticed(campaign, monkeypatch):
    monkeypatch.setattr(delivery, "classify_item", done_at(403, delivery.classify_item))

    assert is_noticed(campaign, "403 on items", "block on items")


def test_failure_16_requests_that_failed_and_count_as_done_are_noticed(campaign, monkeypatch):
    monkeypatch.setattr(Delivery, "_wait_or_refuse", end_as_done)

    assert is_noticed(campaign, "503", "reset before", "late request")


def test_failure_16_failures_that_are_not_reported_are_noticed(campaign, monkeypatch):
    monkeypatch.setattr(BatchReport, "as_response", lambda report: {"batchItemFailures": []})

    assert is_noticed(campaign, "401", "403", "out of time")


def test_failures_31_35_a_batch_that_is_dead_lettered_as_a_whole_is_noticed(campaign, monkeypatch):
    monkeypatch.setattr(Delivery, "_handle_refused_request", end_as_dead_letters)

    assert is_noticed(campaign, "413", "502")


def test_conflicts_that_are_not_settled_are_noticed(campaign, monkeypatch):
    monkeypatch.setattr(Settler, "settle", end_as_stale)

    assert is_noticed(campaign, "reset after", "killed after", "504 after")


def test_failure_79_results_that_are_not_counted_are_noticed(campaign, monkeypatch):
    monkeypatch.setattr(OpenSearchEngine, "bulk", without_counting(OpenSearchEngine.bulk))

    assert is_noticed(campaign, "missing item")


def test_failure_51_letters_that_are_acknowledged_before_they_are_stored_are_noticed(campaign, monkeypatch):
    monkeypatch.setattr(pipeline, "store_dead_letter", acknowledge_first(pipeline.store_dead_letter))

    assert is_noticed(campaign, "letters down")
