"""Runs the `app` of the working directory on events that are parsed already: what it costs without a runtime client.

`in_process.py BATCHES WARM_UP` prints wall and CPU seconds of all batches but the first `WARM_UP`, as JSON.
"""

import json
import sys
import time
from importlib import import_module
from types import SimpleNamespace

from benchmarks.samples import BATCH, event


def main(batches: int, warm_up: int) -> None:
    """Invoke the handler with one batch after the other."""
    handler = import_module("app").lambda_handler
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="bench")
    events = [event(number * BATCH) for number in range(batches)]
    for each in events[:warm_up]:
        handler(each, context)
    started, cpu = time.perf_counter(), time.process_time()
    for each in events[warm_up:]:
        handler(each, context)
    print(json.dumps([time.perf_counter() - started, time.process_time() - cpu]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
