"""The sweeper: once a day, tombstones past the horizon of their table are physically removed.

Invariant: nothing but tombstones is ever removed; what the time does not suffice for is left to the next day.
"""

import os
from functools import cache
from typing import Any

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.composition import build_sweeper
from tailrace.settings import Settings, read_settings
from tailrace.sweeping import Sweeper
from tailrace.telemetry import Telemetry


@cache
def _settings() -> Settings:
    return read_settings(os.environ)


@cache
def _sweeper() -> Sweeper:
    return build_sweeper(_settings())


@cache
def _telemetry() -> Telemetry:
    return Telemetry("sweeper")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int | bool]:
    """One sweep over all tables, whatever the event says; answers its counts, raises SweepError where it failed."""
    sweeper, clock = _sweeper(), SystemClock()
    started = clock.now()
    seconds_left = (context.get_remaining_time_in_millis() - _settings().time_margin_ms) / 1000
    report = sweeper.sweep(deadline=started + seconds_left)
    now = clock.now()
    _telemetry().report_sweep(report, seconds=now - started, now=now)
    report.raise_for_failures()
    return report.as_dict()
