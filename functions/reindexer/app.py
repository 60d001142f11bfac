"""The reindexer: one step of a table's reindex, as the state machine or a person asks for it.

Invariant: a step may be taken again; how far a reindex is stands in the bucket, and nowhere in this process.
"""

import os
from functools import cache
from typing import Any

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.reindex_functions import open_reindexer
from tailrace.reindex_steps import take_step
from tailrace.settings import ReindexerSettings, read_reindexer_settings
from tailrace.telemetry import Telemetry


@cache
def _settings() -> ReindexerSettings:
    return read_reindexer_settings(os.environ)


@cache
def _telemetry() -> Telemetry:
    return Telemetry("reindexer")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The step that the event names; answers what the state machine chooses its next state by."""
    settings, clock = _settings(), SystemClock()
    started = clock.now()
    seconds_left = (context.get_remaining_time_in_millis() - settings.indexing.time_margin_ms) / 1000
    with open_reindexer(settings, event) as reindexer:
        answer = take_step(reindexer, event, deadline=started + seconds_left)
    _telemetry().report_step(event["step"], answer, seconds=clock.now() - started)
    return answer
