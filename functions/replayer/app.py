"""The replayer: once an hour what event source mappings parked, and dead letters when an event asks for them.

Invariant: an object leaves the bucket only after its records are settled; what the time does not suffice for waits.
"""

import os
from functools import cache
from typing import Any

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.collector import slow_down_collector
from tailrace.adapters.composition import build_replayer
from tailrace.outcomes import ConservationError
from tailrace.replaying import Replayer, Step
from tailrace.selections import select_by_event
from tailrace.settings import ReplayerSettings, read_replayer_settings
from tailrace.telemetry import Telemetry


@cache
def _settings() -> ReplayerSettings:
    return read_replayer_settings(os.environ)


@cache
def _replayer() -> Replayer:
    slow_down_collector()
    return build_replayer(_settings())


@cache
def _telemetry() -> Telemetry:
    return Telemetry("replayer")


def _observe(step: Step) -> None:
    if step.report is not None:
        _telemetry().report(step.report, seconds=step.seconds, now=SystemClock().now())


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One replay of what the event selects; answers its counts. What failed stays in the bucket for the next one."""
    replayer, clock = _replayer(), SystemClock()
    started = clock.now()
    seconds_left = (context.get_remaining_time_in_millis() - _settings().indexing.time_margin_ms) / 1000
    selection = select_by_event(event, started)
    try:
        report = replayer.replay(selection, deadline=started + seconds_left, observe=_observe)
    except ConservationError as error:
        _telemetry().report_breach(str(error), now=clock.now())
        raise
    now = clock.now()
    _telemetry().report_replay(report, seconds=now - started, now=now)
    return report.as_counts()
