"""The laptop cloud: an engine, an emulator, and what a template declares running between them.

Invariant: what `start` began is gone after `close`, in this order: mappings, functions, emulator, engine; each of these
steps is bounded. Should this process be killed instead, the guards of its children end them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from tailrace.errors import UserError
from tailrace_local.arns import REGION, table_of_stream
from tailrace_local.aws_json import Place
from tailrace_local.clients import Clients
from tailrace_local.cloud_mappings import MappingBuilder, destination_name
from tailrace_local.disturbances import DestinationPolicy
from tailrace_local.emulator import Emulator
from tailrace_local.engine import SearchEngine, choose_engine
from tailrace_local.event_source_properties import EventSourceMapping
from tailrace_local.event_sources import MappingStatus, StreamMapping
from tailrace_local.function_environments import Surroundings, build_spec
from tailrace_local.functions import LambdaFunction
from tailrace_local.instances import InstanceDirectory
from tailrace_local.kinesis_destination import KinesisDestination
from tailrace_local.laptop_tables import create_tables, stream_parameters, table_streams
from tailrace_local.paths import state_directory
from tailrace_local.runtime_packages import link_runtime_packages
from tailrace_local.state_machines import StateMachines
from tailrace_local.stream_properties import choose_change_stream
from tailrace_local.template import Template, declared_parameters, read_template
from tailrace_local.toolenvs import Notify, ensure_tool_environment, say_nothing

STOP_GRACE_SECONDS = 5.0
STREAM_SUFFIX = "StreamArn"
NO_STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/"


class LaptopCloud:
    """Everything that a template declares, on this machine; a context manager around `start()` and `close()`.

    `tables` are CreateTable requests. An `engine` that is given is started already and stays the caller's. `parameters`
    and `variables` go before the template's own parameters and the functions' variables. `is_built`: run what
    `sam build` made of the template. The changes of `kinesis_tables` go into the template's change stream, in the way
    that `destination` says, and the template's mappings on these tables' own streams rest.
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
        kinesis_tables: Collection[str] = (),
        destination: DestinationPolicy | None = None,
        notify: Notify = say_nothing,
    ) -> None:
        self.path = locate_template(template, is_built)
        self.is_built = is_built
        self.engine = choose_engine(notify=notify) if engine is None else engine
        self.emulator = Emulator(notify=notify)
        self.functions: dict[str, LambdaFunction] = {}
        self.mappings: dict[str, StreamMapping] = {}
        self.destinations: dict[str, KinesisDestination] = {}
        self._feeders: dict[str, StreamMapping] = {}
        self._kinesis_tables = frozenset(kinesis_tables)
        self._destination = destination or DestinationPolicy()
        self._followed: dict[str, str] = {}
        self._attaching = Lock()
        self._owns_engine = engine is None
        self._notify = notify
        self._tables = tables
        self._given = dict(parameters or {})
        self._variables = dict(variables or {})
        self._directory: InstanceDirectory | None = None
        self._template: Template | None = None
        self._machines: StateMachines | None = None

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
        if self._kinesis_tables:
            choose_change_stream(declared.streams, self.path.name)
        try:
            self._directory = InstanceDirectory("cloud", state_directory() / "run")
            self._start_servers()
            self._clients = Clients(self.emulator.url)
            for bucket in declared.buckets.values():
                self.clients.s3.create_bucket(Bucket=bucket)
            for stream in declared.streams.values():
                self.clients.kinesis.create_stream(StreamName=stream.name, ShardCount=stream.shards)
            create_tables(self.clients.dynamodb, self._tables)
            self._prepare_functions()
            self._machines = StateMachines(declared.machines, self.functions)
            self._machines.start(self.clients)
            self.attach_streams()
        except BaseException:
            self.close()
            raise

    def attach_streams(self) -> list[str]:
        """Start the mappings whose tables exist by now and that do not follow them yet; answers their names."""
        with self._attaching:
            streams = table_streams(self.clients.dynamodb)
            self._template = self._read(stream_parameters(streams))
            new = [mapping for mapping in self._template.mappings if self._is_to_start(mapping)]
            for name in {mapping.function for mapping in new}:
                self.functions[name].warm_up()
            for mapping in new:
                self._start_mapping(mapping)
            for table in self._kinesis_tables & streams.keys():
                self._feed_from(table, streams[table])
        return [mapping.name for mapping in new]

    def reason_to_rest(self, mapping: EventSourceMapping) -> str | None:
        """Why a declared mapping does not run; None where nothing keeps it from running."""
        if not mapping.is_enabled:
            return "disabled"
        if mapping.kind == "Kinesis":
            streams = [stream.arn for stream in self.template.streams.values()]
            return None if mapping.stream_arn in streams else "the template declares no such stream"
        if mapping.stream_arn.startswith(NO_STREAM):
            return "no stream yet"
        return "its table comes by Kinesis" if table_of_stream(mapping.stream_arn) in self._kinesis_tables else None

    def drain(self, timeout_seconds: float) -> None:
        """Return when every mapping has settled everything in its stream. Raises `UndeliveredError`."""
        deadline = time.monotonic() + timeout_seconds
        for mapping in self.running:
            mapping.drain(max(0.0, deadline - time.monotonic()))

    @property
    def running(self) -> list[StreamMapping]:
        """Everything that moves records, in the direction in which they move."""
        kinds = {mapping.name: mapping.kind for mapping in self.template.mappings}
        # Whoever follows a table may feed a data stream: "DynamoDB" comes before "Kinesis".
        return [
            *self._feeders.values(),
            *(self.mappings[name] for name in sorted(self.mappings, key=kinds.__getitem__)),
        ]

    def statuses(self) -> list[MappingStatus]:
        """What each running mapping is doing."""
        return [mapping.status() for mapping in self.running]

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
            for mapping in self.running:
                last_to_first.callback(mapping.join)
            for function in self.functions.values():
                last_to_first.callback(function.close)
            if self._machines is not None:
                last_to_first.callback(self._machines.close)
            self._stop_mappings()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _stop_mappings(self) -> None:
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        for mapping in self.running:
            mapping.ask_to_stop()
        for mapping in self.running:
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
        _stop_old(self.mappings.get(mapping.name))
        running = self.mappings[mapping.name] = self._builder.event_source(mapping)
        self._followed[mapping.name] = mapping.stream_arn
        running.start()

    def _feed_from(self, table: str, table_stream: str) -> None:
        name = destination_name(table)
        if self._followed.get(name) == table_stream:
            return
        _stop_old(self._feeders.get(name))
        stream = choose_change_stream(self.template.streams, self.path.name)
        built = self._builder.destination(table, table_stream, stream.arn, self._destination)
        self.destinations[table], self._feeders[name] = built
        self._followed[name] = table_stream
        self._feeders[name].start()

    @property
    def _builder(self) -> MappingBuilder:
        place = Place(self.emulator.url, REGION, self.clients.credentials)
        return MappingBuilder(place, self.clients.s3, self.functions)


def locate_template(path: Path, is_built: bool) -> Path:
    """The file to read: the template itself, or what `sam build` made of it. Raises `UserError` where it is missing."""
    if not is_built:
        return path
    built = path.parent / ".aws-sam" / "build" / path.name
    if not built.is_file():
        raise UserError(f"{path.name} is not built (there is no {built}): run `make build` first")
    return built


def _stop_old(before: StreamMapping | None) -> None:
    # The table was made anew, so its old stream is gone.
    if before is not None:
        before.stop(STOP_GRACE_SECONDS)


def _start_into(emulator: Emulator, failures: list[BaseException]) -> None:
    try:
        emulator.start()
    except BaseException as error:  # noqa: BLE001  # it is raised again by the thread that waits
        failures.append(error)
