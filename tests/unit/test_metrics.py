"""Metrics: complete accounts, ages of changes as distributions, one line that CloudWatch can read."""

import contextlib
import io
import json
import time

import pytest
from aws_lambda_powertools.metrics import EphemeralMetrics
from builders import SECOND, Indexer, change_record, order, sequence_number

from tailrace.adapters.kinesis import _REFUSALS
from tailrace.metrics import (
    METRIC_NAMES,
    REFUSED_IDENTITY,
    ages,
    measure_batch,
    measure_sweep,
    render_metrics,
    unit_of,
)
from tailrace.outcomes import Outcome
from tailrace.records import NANOSECONDS
from tailrace.replication import ReplicationOutcome
from tailrace.sweeping import SweepReport, Swept
from tailrace.telemetry import MAX_RECORD_LINES, Telemetry

NOW = SECOND + 10.0
POISON = order(card={"N": "4111-1111-1111"})
ACCOUNT = {"RecordsIn", "Indexed", "Deleted", "Superseded", "Stale", "Duplicate", "Filtered", "DeadLettered", "Failed"}


def many(count):
    return [change_record(new=order(f"o-{n}"), sequence=n + 1, second=SECOND + n // 100) for n in range(count)]


def measured(*records, indexer=None, now=NOW):
    return measure_batch((indexer or Indexer()).index(*records), 0.25, now)


def printed(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# -- what is measured -------------------------------------------------------------------------------------------------


def test_the_account_is_complete_with_its_zeros():
    metrics = measured(change_record())

    assert metrics.keys() >= ACCOUNT
    assert (metrics["RecordsIn"], metrics["Indexed"], metrics["Failed"]) == (1, 1, 0)
    assert metrics["ConservationBreaches"] == 0


@pytest.mark.parametrize("end", [*Outcome, *ReplicationOutcome])
def test_every_outcome_is_a_metric(end):
    assert end.name.title().replace("_", "") in METRIC_NAMES


def test_what_did_not_happen_costs_no_metric():
    assert not {"Retries", "SettleReads", "RefusedIdentities", "Quarantined"} & measured(change_record()).keys()


def test_bytes_requests_and_new_indices_are_counted():
    metrics = measured(change_record())

    assert (metrics["BulkRequests"], metrics["IndicesCreated"]) == (2, 1)
    assert metrics["BulkBytes"] > 500


def test_duration_is_in_milliseconds():
    assert measured(change_record())["DurationMilliseconds"] == 250


def test_freshness_is_the_age_of_each_change_that_reached_its_goal():
    old, new = change_record(second=SECOND), change_record(new=order("o-2"), sequence=2, second=SECOND + 4)

    assert measured(old, new)["FreshnessMilliseconds"] == [6000.0, 10000.0][::-1]


def test_a_change_that_failed_or_became_a_dead_letter_is_not_fresh_and_lags():
    metrics = measured(change_record(new=POISON))

    assert "FreshnessMilliseconds" not in metrics
    assert metrics["LagMilliseconds"] == 10_000


def test_lag_is_the_age_of_the_oldest_change_whatever_became_of_it():
    metrics = measured(change_record(new=POISON), change_record(new=order("o-2"), sequence=2, second=SECOND + 8))

    assert (metrics["LagMilliseconds"], metrics["FreshnessMilliseconds"]) == (10_000, [2000])


def test_freshness_of_a_large_batch_is_a_sample_of_its_distribution():
    fresh = measured(*many(1000), now=SECOND + 20.0)["FreshnessMilliseconds"]

    assert len(fresh) == 100  # CloudWatch's bound on values of one metric
    assert (fresh[0], fresh[49], fresh[99]) == (20_000, 16_000, 11_000)


def test_no_age_is_negative_where_clocks_differ():
    assert ages([2 * NANOSECONDS], now=1.0) == [0]


def test_a_batch_without_a_change_has_no_age():
    assert not {"LagMilliseconds", "FreshnessMilliseconds"} & measured({"eventSource": "aws:dynamodb"}).keys()


@pytest.mark.parametrize("status", [401, 403])
def test_failure_29_a_refused_identity_is_counted_at_first_sight(status):
    indexer = Indexer()
    indexer.engine.outage = status
    metrics = measured(change_record(), change_record(new=order("o-2"), sequence=2), indexer=indexer)

    assert (metrics["RefusedIdentities"], metrics["Failed"]) == (2, 2)
    assert indexer.clock.slept == []


def test_failure_29_a_busy_engine_is_no_refused_identity():
    indexer = Indexer()
    indexer.engine.outage = 429

    assert "RefusedIdentities" not in measured(change_record(), indexer=indexer)


def test_failure_29_kinesis_refuses_identities_by_these_codes():
    of_others = {"http_401", "http_403", "security_exception", "NoCredentialsError"}
    codes = REFUSED_IDENTITY - of_others

    assert codes < _REFUSALS
    assert "ResourceNotFoundException" not in codes


def test_failure_29_a_sweep_that_is_refused_is_counted_too():
    report = SweepReport((Swept("orders@000001", "orders", removed=3), Swept("old@000001", "old", reason="http_403")))

    assert measure_sweep(report, 2.0) == {"Swept": 3, "RefusedIdentities": 1, "DurationMilliseconds": 2000}


# -- how it is written ------------------------------------------------------------------------------------------------


def emf(*records):
    return json.loads(render_metrics(measured(*records), "indexer", NOW))


def test_a_line_declares_every_value_with_its_unit():
    blob = emf(*many(150))
    (directive,) = blob.pop("_aws")["CloudWatchMetrics"]

    assert (directive["Namespace"], directive["Dimensions"], blob.pop("service")) == (
        "Tailrace",
        [["service"]],
        "indexer",
    )
    assert {each["Name"]: each["Unit"] for each in directive["Metrics"]} == {name: unit_of(name) for name in blob}


def test_a_line_keeps_the_bounds_of_the_embedded_format():
    (directive,) = (blob := emf(*many(1000)))["_aws"]["CloudWatchMetrics"]

    assert len(directive["Metrics"]) <= 100
    assert max(len(value) for value in blob.values() if isinstance(value, list)) <= 100
    assert blob["_aws"]["Timestamp"] == SECOND * 1000 + 10_000


def test_units_are_words_of_cloudwatch():
    assert {unit_of(name) for name in METRIC_NAMES} == {"Count", "Bytes", "Milliseconds"}


def test_powertools_would_write_the_same():
    metrics = {"RecordsIn": 3, "BulkBytes": 512, "LagMilliseconds": 12.0}
    theirs = EphemeralMetrics(namespace="Tailrace", service="indexer")
    for name, value in metrics.items():
        theirs.add_metric(name, unit_of(name), value)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        theirs.flush_metrics()

    expected, ours = json.loads(out.getvalue()), json.loads(render_metrics(metrics, "indexer", NOW))
    assert ours["_aws"]["CloudWatchMetrics"] == expected["_aws"]["CloudWatchMetrics"]
    assert {name: [float(value)] for name, value in ours.items() if name in metrics} == {
        name: expected[name] for name in metrics
    }


# -- what the log says ------------------------------------------------------------------------------------------------


def test_a_batch_is_two_lines_however_large(capsys):
    Telemetry("a batch").report(Indexer().index(*many(1000)), 0.25, SECOND + 20.0)

    metrics, line = printed(capsys)
    assert metrics["RecordsIn"] == 1000
    assert (line["message"], line["tables"], line["records_in"], line["indexed"]) == ("batch", ["orders"], 1000, 1000)
    assert (line["first_position"], line["last_position"]) == (sequence_number(1), sequence_number(1000))
    assert (line["milliseconds"], line["lag_ms"]) == (250, 20_000)
    assert (line["freshness_p50_ms"], line["freshness_p99_ms"]) == (15_000, 20_000)


def test_a_batch_that_fails_whole_does_not_flood_the_log(capsys):
    indexer = Indexer()
    indexer.engine.outage = 403
    Telemetry("a flood").report(indexer.index(*many(300)), 0.25, NOW)

    told = [line for line in printed(capsys) if line.get("message") == "record"]
    assert len(told) == MAX_RECORD_LINES
    assert told[0] | {"position": sequence_number(1), "reason": "http_403", "outcome": "failed"} == told[0]


def test_what_is_not_told_singly_is_told_in_number(capsys):
    indexer = Indexer()
    indexer.engine.outage = 403
    Telemetry("a remainder").report(indexer.index(*many(300)), 0.25, NOW)

    (rest,) = [line for line in printed(capsys) if line.get("message") == "more records"]
    assert (rest["table"], rest["outcome"], rest["reason"], rest["count"]) == ("orders", "failed", "http_403", 280)


def test_telling_of_a_batch_of_1000_costs_little(capsys):
    report, telemetry = Indexer().index(*many(1000)), Telemetry("cheap")
    started = time.process_time()
    for _ in range(50):
        telemetry.report(report, 0.25, NOW)
    spent = (time.process_time() - started) / 50
    capsys.readouterr()

    assert spent < 0.002  # measured: 0.2 ms; the ceiling is for a busy machine
