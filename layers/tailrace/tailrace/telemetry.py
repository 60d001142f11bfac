"""What an operator sees of a batch: one metric blob, one log line, and one line per record that was not indexed.

Invariant: no item value, no key and no secret ever reaches a metric or a log line.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from tailrace.records import NANOSECONDS
from tailrace.reports import BatchReport
from tailrace.sweeping import SweepReport

NAMESPACE = "Tailrace"

MetricName = Literal[
    "RecordsIn",
    "Indexed",
    "Replicated",
    "Deleted",
    "Superseded",
    "Stale",
    "Duplicate",
    "Filtered",
    "DeadLettered",
    "Failed",
    "Quarantined",
    "Swept",
    "ConservationBreaches",
    "BulkBytes",
    "Retries",
    "SettleReads",
    "FreshnessMilliseconds",
]
METRIC_NAMES: tuple[str, ...] = get_args(MetricName)

_OUTCOME_METRICS: Mapping[str, MetricName] = {
    "records_in": "RecordsIn",
    "indexed": "Indexed",
    "replicated": "Replicated",
    "deleted": "Deleted",
    "superseded": "Superseded",
    "stale": "Stale",
    "duplicate": "Duplicate",
    "filtered": "Filtered",
    "dead_lettered": "DeadLettered",
    "failed": "Failed",
}
_COUNT_METRICS: Mapping[str, tuple[MetricName, MetricUnit]] = {
    "bulk_bytes": ("BulkBytes", MetricUnit.Bytes),
    "retries": ("Retries", MetricUnit.Count),
    "settle_reads": ("SettleReads", MetricUnit.Count),
    "quarantined": ("Quarantined", MetricUnit.Count),
}


class Telemetry:
    """Metrics in CloudWatch's embedded format and JSON log lines, both on standard output."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._logger = Logger(service=service)

    def report(self, report: BatchReport, seconds: float, now: float) -> None:
        """One batch: `seconds` is its duration, `now` seconds since the epoch."""
        counts = report.account.as_dict()
        self._emit_metrics(report, counts, now)
        told = {
            "tables": report.tables,
            "milliseconds": round(seconds * 1000),
            "first_unsettled": report.first_unsettled,
        }
        self._logger.info("batch", extra={**told, **counts, **report.counts})
        for problem in report.problems:
            self._logger.warning(
                "record", table=problem.table, position=problem.position, outcome=problem.outcome, reason=problem.reason
            )

    def report_sweep(self, report: SweepReport, seconds: float) -> None:
        """One sweep: `seconds` is its duration."""
        counts = report.as_dict()
        metrics = self._metrics()
        metrics.add_metric("Swept", MetricUnit.Count, counts["removed"])
        metrics.flush_metrics()
        self._logger.info("sweep", extra={"milliseconds": round(seconds * 1000), **counts})
        for each in report.swept:
            if each.reason:
                self._logger.warning("index", index=each.index, table=each.table, reason=each.reason)

    def report_breach(self, text: str) -> None:
        """The account of a batch did not sum (law 1)."""
        metrics = self._metrics()
        metrics.add_metric("ConservationBreaches", MetricUnit.Count, 1)
        metrics.flush_metrics()
        self._logger.error("conservation breach", detail=text)

    def _emit_metrics(self, report: BatchReport, counts: Mapping[str, int], now: float) -> None:
        metrics = self._metrics()
        for outcome, number in counts.items():
            metrics.add_metric(_OUTCOME_METRICS[outcome], MetricUnit.Count, number)
        for count, (name, unit) in _COUNT_METRICS.items():
            metrics.add_metric(name, unit, report.counts.get(count, 0))
        metrics.add_metric("ConservationBreaches", MetricUnit.Count, 0)
        if report.newest_instant_ns:
            age = max(0.0, now - report.newest_instant_ns / NANOSECONDS) * 1000
            metrics.add_metric("FreshnessMilliseconds", MetricUnit.Milliseconds, age)
        metrics.flush_metrics()

    def _metrics(self) -> EphemeralMetrics:
        return EphemeralMetrics(namespace=NAMESPACE, service=self._service)
