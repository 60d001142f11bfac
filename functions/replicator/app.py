"""The replicator: change records of DynamoDB streams go on to a Kinesis stream, complete and keyed per item.

Invariant: what the answer acknowledges is in Kinesis, or durably a dead letter.
"""

import os
from functools import cache
from typing import Any

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.collector import slow_down_collector
from tailrace.adapters.composition import build_replicator
from tailrace.decoding import decode_event
from tailrace.outcomes import ConservationError
from tailrace.replication import Replicator
from tailrace.settings import ReplicatorSettings, read_replicator_settings
from tailrace.telemetry import Telemetry


@cache
def _settings() -> ReplicatorSettings:
    return read_replicator_settings(os.environ)


@cache
def _replicator() -> Replicator:
    slow_down_collector()
    return build_replicator(_settings())


@cache
def _telemetry() -> Telemetry:
    return Telemetry("replicator")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One batch of a DynamoDB stream to Kinesis; answers the lowest sequence number that is not written."""
    replicator, telemetry, clock = _replicator(), _telemetry(), SystemClock()
    started = clock.now()
    seconds_left = (context.get_remaining_time_in_millis() - _settings().time_margin_ms) / 1000
    try:
        report = replicator.process(decode_event(event), deadline=started + seconds_left)
    except ConservationError as error:
        telemetry.report_breach(str(error), clock.now())
        raise
    now = clock.now()
    telemetry.report(report, seconds=now - started, now=now)
    return report.as_response()
