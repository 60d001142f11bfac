"""A scene: the living cloud, a bucket on the emulator, a tables file, and the commands that are run against them.

Invariant: what a scene starts is gone when it is left, and so is everything it made in the engine.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import orjson
import requests
from botocore.credentials import Credentials

from reindexing.clients import IDENTITY, REGION, connect
from reindexing.live_table import NAME
from reindexing.writing import TYPES
from tailrace.adapters.clock import SystemClock
from tailrace.adapters.dynamodb_calls import DynamoDBCalls

HERE = Path(__file__).resolve().parents[1]
# The exports of this table are exact: what a reindex adds to the fence for those of AWS is left out.
EXACT = "import tailrace.sources as s; s.EXPORT_FUZZ_SECONDS = 0.0"
COMMAND = (sys.executable, "-c", f"import sys; {EXACT}; from tailrace_cli.main import run; sys.exit(run())")
PATIENCE_SECONDS = 1_800.0


@dataclass(frozen=True, slots=True)
class Scene:
    """`table_url` speaks DynamoDB and takes the control operations; `prefix` begins the names of all indices."""

    engine_url: str
    s3_url: str
    bucket: str
    prefix: str
    tables: Path
    table_url: str
    calls: DynamoDBCalls
    engine: requests.Session

    @property
    def aliases(self) -> tuple[str, ...]:
        """The read aliases, one for each type."""
        return tuple(f"{self.prefix}{NAME}-{type_}" for type_ in TYPES)

    def control(self, operation: str, **request: Any) -> dict[str, Any]:
        """One control operation of the cloud."""
        return self.calls.call(f"Control.{operation}", request)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A command of `tailrace`, such as `reindex --resume`, on this scene."""
        verb, *options = arguments
        told = [verb, NAME, "--file", str(self.tables), "--url", self.engine_url, *options]
        environment = os.environ | IDENTITY | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        environment |= {"AWS_ENDPOINT_URL_DYNAMODB": self.table_url, "AWS_ENDPOINT_URL_S3": self.s3_url}
        environment |= {"DEAD_LETTER_BUCKET": self.bucket}
        return subprocess.Popen([*COMMAND, *told], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        """A command with `--json` to its end: exit status, what it printed, and its complaint."""
        process = self.start(*arguments, "--json")
        try:
            output, complaint = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
            process.wait()
        return process.returncode, read_events(output), complaint.decode()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the engine; its answer, of whatever status."""
        return self.engine.request(method, f"{self.engine_url}{path}", json=body, timeout=60)

    def wait_until_drained(self) -> dict[str, Any]:
        """Until the indexer has delivered everything; its status then."""
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while not (status := self.control("status"))["is_drained"]:
            if time.monotonic() > ends_at:
                raise TimeoutError(f"the indexer does not get through: {status['problem']}")
            time.sleep(0.1)
        return status

    def refresh(self) -> None:
        """Everything that was written can be found."""
        self.ask("POST", f"/{self.prefix}*/_refresh").raise_for_status()


def read_events(output: bytes) -> list[dict[str, Any]]:
    """The JSON lines, or the one document, of a command's output."""
    try:
        return [orjson.loads(line) for line in output.splitlines() if line]
    except orjson.JSONDecodeError:
        return [orjson.loads(output)] if output.startswith(b"{") else []


@contextmanager
def scene(engine_url: str, s3_url: str, *options: str) -> Iterator[Scene]:
    """A fresh scene. `options` are those of the living cloud."""
    name = f"scene-{token_hex(4)}"
    connect("s3", s3_url).create_bucket(Bucket=name)
    with tempfile.TemporaryDirectory() as folder, requests.Session() as session, requests.Session() as engine:
        tables = Path(folder) / "tables.yaml"
        spec = {"key": ["id"], "type_attribute": "kind"}
        tables.write_bytes(orjson.dumps({"defaults": {"index_prefix": f"{name}-"}, "tables": {NAME: spec}}))
        with _living(engine_url, s3_url, name, str(tables), *options) as table_url:
            calls = DynamoDBCalls(table_url, REGION, Credentials("test", "test"), session, SystemClock())
            made = Scene(engine_url, s3_url, name, f"{name}-", tables, table_url, calls, engine)
            try:
                yield made
            finally:
                _drop_indices(made)


@contextmanager
def _living(*arguments: str) -> Iterator[str]:
    environment = os.environ | IDENTITY | {"PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), *sys.path]))}
    command = [sys.executable, "-m", "reindexing.living", *arguments]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _drop_indices(made: Scene) -> None:
    found = made.ask("GET", f"/_cat/indices/{made.prefix}*?format=json&expand_wildcards=all").json()
    for names in _in_groups([row["index"] for row in found]):
        made.ask("DELETE", f"/{','.join(names)}").raise_for_status()


def _in_groups(names: Sequence[str], size: int = 20) -> Iterator[Sequence[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))
