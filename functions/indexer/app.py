"""The indexer: change records of a stream become versioned bulk writes, one typed index per table.

Invariant: what the answer acknowledges is durably indexed, or durably a dead letter.
"""

import os
from functools import cache
from typing import Any

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.collector import slow_down_collector
from tailrace.adapters.composition import build_pipeline
from tailrace.adapters.marshalling import keep_events_raw
from tailrace.decoding import decode_event
from tailrace.outcomes import ConservationError
from tailrace.pipeline import Pipeline
from tailrace.raw_events import RawEvent
from tailrace.settings import Settings, read_settings
from tailrace.telemetry import Telemetry


@cache
def _settings() -> Settings:
    return read_settings(os.environ)


@cache
def _pipeline() -> Pipeline:
    slow_down_collector()
    keep_events_raw()
    return build_pipeline(_settings())


@cache
def _telemetry() -> Telemetry:
    return Telemetry("indexer")


def lambda_handler(event: dict[str, Any] | RawEvent, context: Any) -> dict[str, Any]:
    """One batch of a stream to OpenSearch; answers the lowest sequence number that is not settled."""
    pipeline, telemetry, clock = _pipeline(), _telemetry(), SystemClock()
    started = clock.now()
    seconds_left = (context.get_remaining_time_in_millis() - _settings().time_margin_ms) / 1000
    try:
        report = pipeline.process(decode_event(event), deadline=started + seconds_left)
    except ConservationError as error:
        telemetry.report_breach(str(error), clock.now())
        raise
    now = clock.now()
    telemetry.report(report, seconds=now - started, now=now)
    return report.as_response()
