"""Who takes part in the contest, and how each is started.

Every function runs under the same driver as it would on Lambda: the runtime client hands it the event's JSON, and its
answer is awaited. The ceilings are bare connections that send bodies rendered beforehand.

Invariant: each contestant has packages of its own; nothing of Tailrace's helps another.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from benchmarks.ceilings import bare_documents, send_bodies, tailrace_documents
from benchmarks.invoking import Launch, Load, measure_function
from benchmarks.node_packages import NoNodeError, ensure_node_packages
from benchmarks.samples import BATCH, TABLES, event
from benchmarks.speeds import Speed, speed_of
from tailrace.tables import compile_tables
from tailrace_local.toolenvs import ensure_tool_environment

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).parent / "peers"
RUNTIME_CLIENT = ("-s", "-m", "awslambdaric", "app.lambda_handler")
TIMEOUT_SECONDS = 300
RAW, RAW_BARE = "raw `_bulk`, Tailrace's documents", "raw `_bulk`, bare documents"
OURS, OPENSEARCH_PY, ONE_BY_ONE = "Tailrace", "opensearch-py bulk + boto3", "dynamodb-json + requests, one by one"
IN_PROCESS = "without the runtime client"
PACKAGE = "dynamodb-stream-elasticsearch"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: counted batches of a turn, uncounted ones before them, rounds of all contestants.

    `slow_records` is the batch of those that send each record by itself: one that counts, after one that does not.
    """

    batches: int = 20
    warm_up: int = 5
    rounds: int = 5
    slow_records: int = 200

    @property
    def all_batches(self) -> int:
        """The uncounted ones included."""
        return self.warm_up + self.batches


@dataclass(frozen=True, slots=True)
class Contestant:
    """`run` takes the engine's URL and a number of connections, each of which leaves so many `documents`.

    `ceiling` names the raw bodies with the same documents.
    """

    name: str
    documents: int
    run: Callable[[str, int], Speed]
    ceiling: str = RAW_BARE
    most_connections: int = 2


def line_up(scale: Scale, ours: Launch) -> tuple[list[Contestant], str]:
    """All that can run here, Tailrace as `ours`, and a sentence about who cannot.

    Raises UserError where the packages of the Python contestants cannot be had.
    """
    python = ensure_tool_environment("contestants") / "bin" / "python"
    opensearch_py = _python_peer(python, "opensearch_py")
    contestants = [
        _ceiling(RAW, tailrace_documents, scale),
        _ceiling(RAW_BARE, bare_documents, scale),
        _fast(OURS, ours, scale, RAW),
        _in_process(f"{OURS}, {IN_PROCESS}", ours, scale, RAW),
        _fast(OPENSEARCH_PY, opensearch_py, scale),
        _in_process(f"{OPENSEARCH_PY}, {IN_PROCESS}", opensearch_py, scale),
    ]
    last = _slow(ONE_BY_ONE, _python_peer(python, "one_by_one"), scale)
    try:
        return [*contestants, *_npm_peers(scale), last], ""
    except NoNodeError as error:
        return [*contestants, last], str(error)


@contextmanager
def tailrace_function() -> Iterator[Launch]:
    """Tailrace's indexer as it is deployed, for the sample's table, while its tables file exists."""
    with TemporaryDirectory() as scratch:
        tables = Path(scratch) / "tables.json"
        tables.write_bytes(orjson.dumps(compile_tables(TABLES)))
        yield Launch(
            command=(sys.executable, *RUNTIME_CLIENT),
            code=ROOT / "functions/indexer",
            layers=(ROOT / "layers/tailrace",),
            variables={"TAILRACE_TABLES": str(tables), "OPENSEARCH_SERVICE": "none", "DEAD_LETTER_BUCKET": "letters"},
        )


def idle_function() -> Launch:
    """The runtime client on a handler that does nothing."""
    return Launch((sys.executable, *RUNTIME_CLIENT), PEERS / "nothing")


def _python_peer(python: Path, folder: str) -> Launch:
    return Launch((str(python), *RUNTIME_CLIENT), PEERS / folder)


def _npm_peers(scale: Scale) -> Iterator[Contestant]:
    modules = str(ensure_node_packages())
    for mode in ("bulk", "installed"):
        launch = Launch(("node", "runtime.js"), PEERS / "npm", variables={"NODE_PATH": modules, "PEER_MODE": mode})
        if mode == "bulk":
            yield _fast(f"{PACKAGE}, bulk", launch, scale)
        else:
            yield _slow(f"{PACKAGE}, as installed", launch, scale)


def _ceiling(name: str, render: Callable[[int], bytes], scale: Scale) -> Contestant:
    send = partial(send_bodies, render, scale.all_batches, scale.warm_up)
    return Contestant(name, scale.all_batches * BATCH, send, ceiling="")


def _fast(name: str, launch: Launch, scale: Scale, ceiling: str = RAW_BARE) -> Contestant:
    run = partial(_run_function, launch, BATCH, scale.all_batches, scale.warm_up)
    return Contestant(name, scale.all_batches * BATCH, run, ceiling)


def _slow(name: str, launch: Launch, scale: Scale) -> Contestant:
    run = partial(_run_function, launch, scale.slow_records, 2, 1)
    return Contestant(name, 2 * scale.slow_records, run, most_connections=1)


def _in_process(name: str, launch: Launch, scale: Scale, ceiling: str = RAW_BARE) -> Contestant:
    run = partial(_run_in_process, launch, scale)
    return Contestant(name, scale.all_batches * BATCH, run, ceiling, most_connections=1)


def _run_function(launch: Launch, records: int, batches: int, warm_up: int, url: str, connections: int) -> Speed:
    numbers = [range(n * batches, (n + 1) * batches) for n in range(connections)]
    events = [[orjson.dumps(event(number * records, records)) for number in each] for each in numbers]
    return measure_function(launch, url, [Load(each, warm_up, (batches - warm_up) * records) for each in events])


def _run_in_process(launch: Launch, scale: Scale, url: str, _connections: int) -> Speed:
    paths = [launch.code, *launch.layers, ROOT / "tests"]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(map(str, paths)), "OPENSEARCH_URL": url}
    command = [launch.command[0], "-s", str(PEERS / "in_process.py"), str(scale.all_batches), str(scale.warm_up)]
    run = subprocess.run(
        command, env=variables | dict(launch.variables), capture_output=True, text=True, timeout=TIMEOUT_SECONDS
    )
    if run.returncode != 0:
        raise RuntimeError(f"a contestant failed: {run.stderr[-1000:]}")
    wall, cpu = json.loads(run.stdout.splitlines()[-1])
    return speed_of(scale.batches * BATCH, wall, cpu)
