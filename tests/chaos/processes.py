"""The real handler in the real runtime client, and its death by SIGKILL at any instant of an invocation.

Invariant: an invocation that was killed answers nothing, and no instance outlives its function.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from function_builders import running

from tailrace_local.deliveries import Failed, Outcome, StreamRecord, build_event
from tailrace_local.function_environments import Surroundings
from tailrace_local.function_properties import Function
from tailrace_local.functions import LambdaFunction
from tailrace_local.partial_responses import read_response

ROOT = Path(__file__).resolve().parents[2]
LONGEST_LIFE_SECONDS = 0.25  # an invocation takes a few to a few hundred milliseconds


class KilledFunction:
    """The indexer as a process of its own."""

    def __init__(self, function: LambdaFunction, seed: int) -> None:
        self._function = function
        self._random = Random(seed)

    def invoke(self, records: Sequence[StreamRecord], is_killed: bool) -> Outcome:
        """One invocation with a batch, and what Lambda makes of its end. Nothing but a kill may end it without one."""
        if not is_killed:
            result = self._function.invoke(build_event(records))
        else:
            self._function.invoke({"Records": []})  # so that the instant is not spent on starting
            killer = threading.Timer(self._random.random() * LONGEST_LIFE_SECONDS, self._kill)
            killer.start()
            result = self._function.invoke(build_event(records))
            killer.cancel()
            killer.join()
        if result.function_error is None:
            return read_response(result.payload, {record.sequence_number for record in records}, True)
        if not is_killed or json.loads(result.payload)["errorType"] != "Runtime.ExitError":
            raise AssertionError(f"the handler failed: {result.payload.decode()}\n{result.log}")
        return Failed(result.function_error)

    def _kill(self) -> None:
        for instance in list(self._function._all):
            instance.process.kill()


@contextmanager
def running_indexer(
    url: str, folder: Path, tables: Mapping[str, Any], aws_url: str, timeout_seconds: int, variables: Mapping[str, str]
) -> Iterator[LambdaFunction]:
    """The indexer of this project against the engine at `url`, with its tables file and its logs in `folder`."""
    file = folder / "tables.json"
    file.write_text(json.dumps(tables))
    function = Function(
        logical_id="Indexer",
        name="tailrace-indexer",
        code=ROOT / "functions/indexer",
        handler="app.lambda_handler",
        runtime="python3.13",
        timeout_seconds=timeout_seconds,
        memory_mb=512,
        variables={
            "OPENSEARCH_URL": url,
            "OPENSEARCH_SERVICE": "none",
            "TAILRACE_TABLES": str(file),
            "DEAD_LETTER_BUCKET": "letters",
            **variables,
        },
        layers=(ROOT / "layers/tailrace",),
    )
    with closing(running(folder, function, Surroundings(os.environ, aws_url))) as started:
        yield started
