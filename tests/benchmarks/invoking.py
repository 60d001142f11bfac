"""Functions under the stopwatch: batches through the real runtime client, and what they cost the function's process.

Invariant: time and CPU run from the first counted invocation to the answer of the last; the start of the process, its
imports and the warm-up batches are not counted, reading the event's JSON is.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from benchmarks.readings import cpu_seconds
from benchmarks.speeds import Speed, speed_of
from tailrace_local.function_environments import Surroundings, build_environment
from tailrace_local.function_properties import Function
from tailrace_local.functions import FunctionSpec, LambdaFunction

NOWHERE = "http://127.0.0.1:9"  # an SDK call of a contestant would be a mistake, and must not leave the machine
TIMEOUT_SECONDS = 120
DONE = ({}, None, {"batchItemFailures": []})


@dataclass(frozen=True, slots=True)
class Launch:
    """How a function's process is started: command, folder of its code, folders of its layers, its variables."""

    command: tuple[str, ...]
    code: Path
    layers: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """What one connection sends: events as JSON, the first `warm_up` of them not counted; `documents` in the others."""

    events: Sequence[bytes]
    warm_up: int
    documents: int


@contextmanager
def running_function(launch: Launch, engine_url: str) -> Iterator[LambdaFunction]:
    """The function, with one instance that is started at its first invocation."""
    variables = {"OPENSEARCH_URL": engine_url, **launch.variables}
    declared = Function(
        logical_id="Contestant",
        name="contestant",
        code=launch.code,
        handler="app.lambda_handler",
        runtime="python3.13",
        timeout_seconds=TIMEOUT_SECONDS,
        memory_mb=1024,
        variables=variables,
        layers=launch.layers,
    )
    surroundings = Surroundings(parent=os.environ, endpoint_url=NOWHERE)
    with TemporaryDirectory() as logs:
        spec = FunctionSpec(
            name=declared.name,
            arn=declared.arn,
            command=launch.command,
            directory=declared.code,
            environment=lambda address: build_environment(declared, surroundings, address),
            logs=Path(logs),
            timeout_seconds=TIMEOUT_SECONDS,
            reserved_concurrency=1,
        )
        with closing(LambdaFunction(spec)) as function:
            yield function


def process_id(function: LambdaFunction) -> int:
    """Of the function's one process, after its first invocation."""
    [instance] = function._all
    return instance.process.pid


def invoke(function: LambdaFunction, event: bytes) -> None:
    """One batch. Raises RuntimeError where the function fails, or reports a record as failed."""
    result = function.invoke(event)
    if result.function_error is not None or orjson.loads(result.payload) not in DONE:
        raise RuntimeError(f"a contestant failed: {result.payload[:300]!r} {result.log[-1000:]}")


def measure_function(launch: Launch, engine_url: str, loads: Sequence[Load]) -> Speed:
    """Documents per second and CPU of a function, one process for each load, all at the same time."""
    with ThreadPoolExecutor(len(loads)) as pool:
        return _measure(pool, launch, engine_url, loads)


def _measure(pool: ThreadPoolExecutor, launch: Launch, engine_url: str, loads: Sequence[Load]) -> Speed:
    with ExitStack() as stack:
        functions = [stack.enter_context(running_function(launch, engine_url)) for _ in loads]
        list(pool.map(_send, functions, [load.events[: load.warm_up] for load in loads]))
        pids = [process_id(function) for function in functions]
        started, before = time.perf_counter(), sum(map(cpu_seconds, pids))
        list(pool.map(_send, functions, [load.events[load.warm_up :] for load in loads]))
        wall, cpu = time.perf_counter() - started, sum(map(cpu_seconds, pids)) - before
    documents = sum(load.documents for load in loads)
    return speed_of(documents, wall, cpu)


def _send(function: LambdaFunction, events: Sequence[bytes]) -> None:
    for event in events:
        invoke(function, event)
