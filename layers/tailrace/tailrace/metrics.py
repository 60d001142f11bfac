"""The metrics of a batch in CloudWatch's embedded metric format: names, units, and one line of JSON that carries them.

Invariant: a metric has one documented name and one unit; its value is a number of records, bytes, requests or
milliseconds, never anything of an item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import orjson

from tailrace.records import NANOSECONDS
from tailrace.reports import BatchReport

if TYPE_CHECKING:  # what only some functions do would cost the cold start of all
    from tailrace.replays import ReplayReport
    from tailrace.sweeping import SweepReport

NAMESPACE = "Tailrace"
DIMENSION = "service"

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
    "RefusedIdentities",
    "Quarantined",
    "Swept",
    "Replayed",
    "Unreplayed",
    "ConservationBreaches",
    "BulkRequests",
    "BulkBytes",
    "Retries",
    "SettleReads",
    "CircuitOpenings",
    "IndicesCreated",
    "FreshnessMilliseconds",
    "LagMilliseconds",
    "DurationMilliseconds",
]
METRIC_NAMES: tuple[str, ...] = get_args(MetricName)
Metrics = dict[MetricName, float | list[float]]

_OUTCOMES: Mapping[str, MetricName] = {
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
_COUNTS: Mapping[str, MetricName] = {
    "quarantined": "Quarantined",
    "bulk_requests": "BulkRequests",
    "bulk_bytes": "BulkBytes",
    "retries": "Retries",
    "settle_reads": "SettleReads",
    "circuit_openings": "CircuitOpenings",
    "indices_created": "IndicesCreated",
}
# OpenSearch's answers, then the codes by which Kinesis says the same.
REFUSED_IDENTITY = frozenset(
    {
        "http_401",
        "http_403",
        "security_exception",
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "NoCredentialsError",
        "NotAuthorized",
        "UnrecognizedClientException",
    }
)


def unit_of(name: MetricName) -> str:
    """CloudWatch's word for the metric's unit."""
    if name.endswith("Milliseconds"):
        return "Milliseconds"
    return "Bytes" if name.endswith("Bytes") else "Count"


def ages(instants_ns: Sequence[int], now: float) -> list[float]:
    """How old changes of these instants are at `now` (seconds since the epoch): whole milliseconds, none negative."""
    now_ms = now * 1000
    return [max(0.0, round(now_ms - instant / (NANOSECONDS // 1000))) for instant in instants_ns]


def measure_batch(report: BatchReport, seconds: float, now: float) -> Metrics:
    """The metrics of one batch that took `seconds` and was done at `now`, seconds since the epoch.

    Its account is complete, zeros included; what else did not happen is left out, and costs nothing.
    """
    metrics: Metrics = {_OUTCOMES[name]: count for name, count in report.account.as_dict().items()}
    metrics["ConservationBreaches"] = 0
    metrics["DurationMilliseconds"] = round(seconds * 1000)
    metrics |= {name: report.counts[count] for count, name in _COUNTS.items() if report.counts.get(count)}
    if refused := count_refused(report):
        metrics["RefusedIdentities"] = refused
    if report.oldest_instant_ns:
        metrics["LagMilliseconds"] = ages([report.oldest_instant_ns], now)[0]
    if report.settled_instants_ns:
        metrics["FreshnessMilliseconds"] = ages(report.settled_instants_ns, now)
    return metrics


def measure_sweep(report: SweepReport, seconds: float) -> Metrics:
    """The metrics of one sweep."""
    metrics: Metrics = {"Swept": report.as_dict()["removed"], "DurationMilliseconds": round(seconds * 1000)}
    if refused := sum(each.reason in REFUSED_IDENTITY for each in report.swept):
        metrics["RefusedIdentities"] = refused
    return metrics


def measure_replay(report: ReplayReport, seconds: float) -> Metrics:
    """The metrics of one replay. One that was cut short has left at least one object."""
    counts = report.as_counts()
    ends = Counter(counts["letters"]) + Counter(counts["batches"])
    gone = ends["settled"] + ends["parked"]
    left = ends["again"] + ends["failed"] + report.unreadable_count + (not report.is_finished)
    return {"Replayed": gone, "Unreplayed": left, "DurationMilliseconds": round(seconds * 1000)}


def count_refused(report: BatchReport) -> int:
    """Records that failed since OpenSearch or Kinesis refuses this identity (failure 29)."""
    reasons = Counter(problem.reason for problem in report.problems if problem.outcome == "failed")
    return sum(count for reason, count in reasons.items() if reason in REFUSED_IDENTITY)


def render_metrics(metrics: Metrics, service: str, now: float) -> str:
    """One line that CloudWatch turns into metrics of `NAMESPACE` with the dimension `service`."""
    definitions = [{"Name": name, "Unit": unit_of(name)} for name in metrics]
    directive = {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions}
    header = {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]}
    blob: dict[str, Any] = {"_aws": header, DIMENSION: service}
    blob.update(metrics.items())
    return orjson.dumps(blob).decode()
