"""What an operator sees of a batch: one line of metrics, one log line, and a line for each record that was not indexed.

Invariant: no item value, no key and no secret ever reaches a metric or a log line, and no batch writes more than
`MAX_RECORD_LINES` lines about single records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from tailrace.metrics import Metrics, ages, measure_batch, measure_replay, measure_sweep, render_metrics
from tailrace.reports import BatchReport, Problem

if TYPE_CHECKING:
    from tailrace.replays import ReplayReport
    from tailrace.sweeping import SweepReport

MAX_RECORD_LINES = 20


class Telemetry:
    """Metrics in CloudWatch's embedded format and JSON log lines, both on standard output."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._logger = Logger(service=service)

    def report(self, report: BatchReport, seconds: float, now: float) -> None:
        """One batch: `seconds` is its duration, `now` seconds since the epoch."""
        self._emit(measure_batch(report, seconds, now), now)
        told = {
            "tables": report.tables,
            "milliseconds": round(seconds * 1000),
            "first_position": report.positions[0],
            "last_position": report.positions[1],
            "first_unsettled": report.first_unsettled,
            **_describe_ages(report, now),
        }
        self._logger.info("batch", extra={**told, **report.account.as_dict(), **report.counts})
        self._tell_problems(report.problems)

    def report_sweep(self, report: SweepReport, seconds: float, now: float) -> None:
        """One sweep: `seconds` is its duration, `now` seconds since the epoch."""
        self._emit(measure_sweep(report, seconds), now)
        self._logger.info("sweep", extra={"milliseconds": round(seconds * 1000), **report.as_dict()})
        for each in report.swept:
            if each.reason:
                self._logger.warning("index", index=each.index, table=each.table, reason=each.reason)

    def report_replay(self, report: ReplayReport, seconds: float, now: float) -> None:
        """One replay: `seconds` is its duration, `now` seconds since the epoch."""
        self._emit(measure_replay(report, seconds), now)
        self._logger.info("replay", extra={"milliseconds": round(seconds * 1000), **report.as_counts()})
        for each in report.unreadable[:MAX_RECORD_LINES]:
            self._logger.warning("object", key=each.key, reason=each.why)

    def report_step(self, step: str, answer: Mapping[str, object], seconds: float) -> None:
        """One step of a reindex: `seconds` is its duration."""
        self._logger.info("step", extra={"step": step, "milliseconds": round(seconds * 1000), **answer})

    def report_breach(self, text: str, now: float) -> None:
        """The account of a batch did not sum (law 1)."""
        self._emit({"ConservationBreaches": 1}, now)
        self._logger.error("conservation breach", detail=text)

    def _emit(self, metrics: Metrics, now: float) -> None:
        print(render_metrics(metrics, self._service, now))

    def _tell_problems(self, problems: Sequence[Problem]) -> None:
        for problem in problems[:MAX_RECORD_LINES]:
            self._logger.warning(
                "record", table=problem.table, position=problem.position, outcome=problem.outcome, reason=problem.reason
            )
        untold = Counter((each.table, each.outcome, each.reason) for each in problems[MAX_RECORD_LINES:])
        for (table, outcome, reason), count in untold.most_common(MAX_RECORD_LINES):
            self._logger.warning("more records", table=table, outcome=outcome, reason=reason, count=count)


def _describe_ages(report: BatchReport, now: float) -> dict[str, float]:
    """`lag_ms`: age of the oldest change; `freshness_p50_ms`, `freshness_p99_ms`: of those that reached their goal."""
    told: dict[str, float] = {}
    if report.oldest_instant_ns:
        told["lag_ms"] = ages([report.oldest_instant_ns], now)[0]
    if fresh := ages(report.settled_instants_ns, now):
        ascending = sorted(fresh)
        told |= {f"freshness_p{part}_ms": ascending[(len(ascending) * part + 99) // 100 - 1] for part in (50, 99)}
    return told
