"""The laptop cloud: an engine, an emulator, and what a template declares running between them.

Invariant: what `start` began is gone after `close`, in this order: mappings, functions, emulator, engine; each of these
steps is bounded. Should this process be killed instead, the guards of its children end them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from tailrace.errors import UserError
from tailrace_local.arns import REGION
from tailrace_local.clients import Clients
from tailrace_local.dynamodb_streams import DynamoDBStream
from tailrace_local.emulator import Emulator
from tailrace_local.engine import SearchEngine, choose_engine
from tailrace_local.event_source_properties import EventSourceMapping
from tailrace_local.event_sources import MappingSpec, MappingStatus, StreamMapping
from tailrace_local.filters import compile_filters
from tailrace_local.function_environments import Surroundings, build_spec
from tailrace_local.functions import LambdaFunction
from tailrace_local.instances import InstanceDirectory
from tailrace_local.laptop_tables import create_tables, stream_parameters
from tailrace_local.on_failure import OnFailureDestination, Origin
from tailrace_local.paths import state_directory
from tailrace_local.runtime_packages import link_runtime_packages
from tailrace_local.template import Template, declared_parameters, read_template
from tailrace_local.toolenvs import Notify, ensure_tool_environment, say_nothing

STOP_GRACE_SECONDS = 5.0
STREAM_SUFFIX = "StreamArn"
NO_STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/"


class LaptopCloud:
    """Everything that a template declares, on this machine; a context manager around `start()` and `close()`.

    `tables` are CreateTable requests. An `engine` that is given is started already and stays the caller's. `parameters`
    and `variables` go before the template's own parameters and the functions' variables. `is_built`: run what
    `sam build` made of the template.
    """

    def __init__(
        self,
        template: Path,
        tables: Sequence[Mapping[str, Any]] = (),
        *,
        is_built: bool = False,
        engine: SearchEngine | None = None,
        parameters: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        notify: Notify = say_nothing,
    ) -> None:
        self.path = locate_template(template, is_built)
        self.is_built = is_built
        self.engine = choose_engine(notify=notify) if engine is None else engine
        self.emulator = Emulator(notify=notify)
        self.functions: dict[str, LambdaFunction] = {}
        self.mappings: dict[str, StreamMapping] = {}
        self._followed: dict[str, str] = {}
        self._attaching = Lock()
        self._owns_engine = engine is None
        self._notify = notify
        self._tables = tables
        self._given = dict(parameters or {})
        self._variables = dict(variables or {})
        self._directory: InstanceDirectory | None = None
        self._template: Template | None = None

    @property
    def template(self) -> Template:
        """What the template declares, with the parameters that are known so far."""
        if self._template is None:
            self._template = self._read({})
        return self._template

    @property
    def clients(self) -> Clients:
        """boto3 clients for the emulator."""
        return self._clients

    def start(self) -> None:
        """Start the servers, make buckets and tables, prepare the functions, and attach the streams that exist.

        Raises `UserError` for a wrong template before anything is started, and for servers that do not come up.
        """
        declared = self.template
        try:
            self._directory = InstanceDirectory("cloud", state_directory() / "run")
            self._start_servers()
            self._clients = Clients(self.emulator.url)
            for bucket in declared.buckets.values():
                self.clients.s3.create_bucket(Bucket=bucket)
            create_tables(self.clients.dynamodb, self._tables)
            self._prepare_functions()
            self.attach_streams()
        except BaseException:
            self.close()
            raise

    def attach_streams(self) -> list[str]:
        """Start the mappings whose tables exist by now and that do not follow them yet; answers their names."""
        with self._attaching:
            self._template = self._read(stream_parameters(self.clients.dynamodb))
            new = [mapping for mapping in self._template.mappings if self._is_to_start(mapping)]
            for name in {mapping.function for mapping in new}:
                self.functions[name].warm_up()
            for mapping in new:
                self._start_mapping(mapping)
        return [mapping.name for mapping in new]

    def reason_to_rest(self, mapping: EventSourceMapping) -> str | None:
        """Why a declared mapping does not run; None where nothing keeps it from running."""
        if not mapping.is_enabled:
            return "disabled"
        if mapping.kind != "DynamoDB":
            return f"{mapping.kind} is not carried yet"
        return "no stream yet" if mapping.stream_arn.startswith(NO_STREAM) else None

    def drain(self, timeout_seconds: float) -> None:
        """Return when every mapping has settled everything in its stream. Raises `UndeliveredError`."""
        deadline = time.monotonic() + timeout_seconds
        for mapping in self.mappings.values():
            mapping.drain(max(0.0, deadline - time.monotonic()))

    def statuses(self) -> list[MappingStatus]:
        """What each running mapping is doing."""
        return [mapping.status() for mapping in self.mappings.values()]

    def dead_letters(self) -> Iterator[tuple[str, bytes]]:
        """Every object in the declared buckets: its key and its content."""
        for bucket in self.template.buckets.values():
            for page in self.clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for entry in page.get("Contents", []):
                    yield entry["Key"], self.clients.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()

    def close(self) -> None:
        """Stop everything; harmless when nothing runs, or twice."""
        with ExitStack() as last_to_first:
            if self._directory is not None:
                last_to_first.callback(self._directory.remove)
            if self._owns_engine:
                last_to_first.callback(self.engine.close)
            last_to_first.callback(self.emulator.close)
            for mapping in self.mappings.values():
                last_to_first.callback(mapping.join)
            for function in self.functions.values():
                last_to_first.callback(function.close)
            self._stop_mappings()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _stop_mappings(self) -> None:
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        for mapping in self.mappings.values():
            mapping.ask_to_stop()
        for mapping in self.mappings.values():
            mapping.stop(max(0.0, deadline - time.monotonic()))

    def _start_servers(self) -> None:
        # What may take long is done first; then the emulator comes up beside the engine, within a second or two.
        ensure_tool_environment("ministack", notify=self._notify)
        failures: list[BaseException] = []
        beside = Thread(target=_start_into, args=(self.emulator, failures), name="emulator start", daemon=True)
        beside.start()
        try:
            if self._owns_engine:
                self.engine.start()
        finally:
            beside.join()
        if failures:
            raise failures[0]

    def _read(self, streams: Mapping[str, str]) -> Template:
        declared = declared_parameters(self.path)
        known = {"OpenSearchService": "none", **streams, **self._given}
        unknown = {name: NO_STREAM + name for name in declared if name.endswith(STREAM_SUFFIX) and name not in known}
        try:
            known["OpenSearchUrl"] = self.engine.url
        except UserError:
            # Not started yet: any value does for a first reading.
            unknown["OpenSearchUrl"] = "http://127.0.0.1"
        return read_template(self.path, {name: known[name] for name in declared if name in known}, unknown)

    def _prepare_functions(self) -> None:
        assert self._directory is not None
        root = self._directory.path
        runtime = link_runtime_packages(root / "runtime") if self.is_built else None
        surroundings = Surroundings(os.environ, self.emulator.url, REGION, runtime)
        for name, function in self._read({}).functions.items():
            chosen = replace(function, variables={**function.variables, **self._variables})
            self.functions[name] = LambdaFunction(build_spec(chosen, surroundings, root / "logs"))

    def _is_to_start(self, mapping: EventSourceMapping) -> bool:
        return self.reason_to_rest(mapping) is None and self._followed.get(mapping.name) != mapping.stream_arn

    def _start_mapping(self, mapping: EventSourceMapping) -> None:
        before = self.mappings.get(mapping.name)
        if before is not None:
            # The table was made anew, so its old stream is gone.
            before.stop(STOP_GRACE_SECONDS)
        running = self.mappings[mapping.name] = self._build_mapping(mapping)
        self._followed[mapping.name] = mapping.stream_arn
        running.start()

    def _build_mapping(self, mapping: EventSourceMapping) -> StreamMapping:
        matches = compile_filters(mapping.filters)
        source = DynamoDBStream(self.emulator.url, REGION, self.clients.credentials, mapping.stream_arn, matches)
        destination = None if mapping.on_failure_bucket is None else partial(self._destination, mapping)
        function = self.functions[mapping.function]
        spec = MappingSpec(mapping.name, function, mapping.policy, mapping.starting_position, destination)
        return StreamMapping(spec, source)

    def _destination(self, mapping: EventSourceMapping, shard_id: str) -> OnFailureDestination:
        origin = Origin(mapping.id, self.functions[mapping.function].spec.arn, mapping.stream_arn, shard_id)
        return OnFailureDestination(self.clients.s3, str(mapping.on_failure_bucket), origin)


def locate_template(path: Path, is_built: bool) -> Path:
    """The file to read: the template itself, or what `sam build` made of it. Raises `UserError` where it is missing."""
    if not is_built:
        return path
    built = path.parent / ".aws-sam" / "build" / path.name
    if not built.is_file():
        raise UserError(f"{path.name} is not built (there is no {built}): run `make build` first")
    return built


def _start_into(emulator: Emulator, failures: list[BaseException]) -> None:
    try:
        emulator.start()
    except BaseException as error:  # noqa: BLE001  # it is raised again by the thread that waits
        failures.append(error)
