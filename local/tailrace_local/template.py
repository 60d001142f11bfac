"""What `template.yaml` declares, as far as a laptop runs it: functions, layers, event sources, buckets, data streams.

It is the single truth about them, so that a wrong template fails here and not on the day of its deployment.

Invariant: a property of a function or an event source is either understood or refused by name; a resource or an event
of another kind is listed in `ignored`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailrace_local import function_properties, state_machine_properties, stream_properties
from tailrace_local.arns import STACK, bucket_arn, data_stream_arn, function_arn, state_machine_arn
from tailrace_local.cloudformation import Resolver, load_document
from tailrace_local.event_source_properties import (
    KINDS,
    RESOURCE_PROPERTIES,
    SAM_PROPERTIES,
    EventSourceMapping,
    read_event_source,
)
from tailrace_local.function_properties import Function, read_folder, read_function
from tailrace_local.properties import Properties
from tailrace_local.state_machine_properties import StateMachine, read_state_machine
from tailrace_local.stream_properties import DataStream, read_data_stream
from tailrace_local.template_parameters import PSEUDO_PARAMETERS, parameter_values

FUNCTION, LAYER, BUCKET = "AWS::Serverless::Function", "AWS::Serverless::LayerVersion", "AWS::S3::Bucket"
MAPPING, STREAM = "AWS::Lambda::EventSourceMapping", "AWS::Kinesis::Stream"
MACHINE = "AWS::Serverless::StateMachine"
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Template:
    """What a template declares: parameters with their values; functions, bucket names, data streams and state machines
    by logical id.

    `ignored` lists what does not run here, each as `LogicalId (Kind)`.
    """

    path: Path
    parameters: Mapping[str, Any]
    functions: Mapping[str, Function]
    mappings: tuple[EventSourceMapping, ...]
    buckets: Mapping[str, str]
    streams: Mapping[str, DataStream]
    machines: Mapping[str, StateMachine]
    ignored: tuple[str, ...]


def declared_parameters(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """The `Parameters` section by name. Raises `TemplateError`."""
    return load_document(path).get("Parameters") or {}


def read_template(path: Path, parameters: Mapping[str, str], unknown: Mapping[str, str] | None = None) -> Template:
    """Read a template (SAM source, or what `sam build` made of it) with these values for its parameters.

    `unknown` holds stand-ins for parameters whose values are not known yet: nothing is checked of them.
    Raises `TemplateError`, which names resource and property.
    """
    return _Reader(path, parameters, unknown or {}).read()


class _Reader:
    def __init__(self, path: Path, given: Mapping[str, str], unknown: Mapping[str, str]) -> None:
        self.path = path
        self.document = load_document(path)
        self.parameters = {**unknown, **parameter_values(self.document.get("Parameters") or {}, given, path.name)}
        values = {**PSEUDO_PARAMETERS, **self.parameters}
        self.resolver = Resolver(self.document, path.name, values, self._known)
        self.active = [name for name, each in self.document["Resources"].items() if self._is_active(name, each)]

    def read(self) -> Template:
        buckets = {name: self._bucket_name(name) for name in self._of_kind(BUCKET)}
        mappings = tuple(self._mappings())
        for mapping in mappings:
            self._check_destination(mapping, buckets)
        layers = {name: self._layer(name) for name in self._of_kind(LAYER)}
        functions = {name: self._function(name, layers) for name in self._of_kind(FUNCTION)}
        streams = {name: self._stream(name) for name in self._of_kind(STREAM)}
        machines = {name: self._machine(name) for name in self._of_kind(MACHINE)}
        ignored = tuple(self._ignored())
        return Template(self.path, self.parameters, functions, mappings, buckets, streams, machines, ignored)

    def _is_active(self, name: str, resource: Any) -> bool:
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise self.resolver.error(name, "a resource needs a Type")
        if not isinstance(resource.get("Properties") or {}, dict):
            raise self.resolver.error(name, "its Properties are not an object")
        return "Condition" not in resource or self.resolver.holds(resource["Condition"], name)

    def _kind(self, name: str) -> str:
        return str(self.document["Resources"][name]["Type"])

    def _of_kind(self, kind: str) -> list[str]:
        return [name for name in self.active if self._kind(name) == kind]

    def _known(self, name: str, attribute: str | None) -> str | None:
        if name not in self.document["Resources"]:
            return None
        kind = self._kind(name)
        if kind == FUNCTION and attribute in (None, "Arn"):
            return function_arn(self._function_name(name)) if attribute else self._function_name(name)
        if kind == BUCKET and attribute in (None, "Arn"):
            return bucket_arn(self._bucket_name(name)) if attribute else self._bucket_name(name)
        if kind == STREAM and attribute in (None, "Arn"):
            return data_stream_arn(self._stream_name(name)) if attribute else self._stream_name(name)
        if kind == MACHINE and attribute in (None, "Arn", "Name"):
            machine = self._machine_name(name)
            return machine if attribute == "Name" else state_machine_arn(machine)
        # What does not run here still has a name, so that what is resolved may refer to it.
        return name if attribute is None else f"{name}.{attribute}"

    def _raw(self, name: str) -> dict[str, Any]:
        own = self.document["Resources"][name].get("Properties") or {}
        shared = (self.document.get("Globals") or {}).get("Function") if self._kind(name) == FUNCTION else None
        return dict(_merge(shared or {}, own))

    def _resolved(self, place: str, raw: Mapping[str, Any]) -> Properties:
        values = self.resolver.resolve(dict(raw), place)
        return Properties(values, lambda name, problem: self.resolver.error(f"{place}.{name}", problem))

    def _name(self, name: str, property_name: str, default: str) -> str:
        given = self.resolver.resolve(self._raw(name).get(property_name), f"{name}.{property_name}")
        return default if given is None else str(given)

    def _bucket_name(self, name: str) -> str:
        bucket = self._name(name, "BucketName", f"{STACK}-{name.lower()}")
        if not BUCKET_NAME.fullmatch(bucket):
            raise self.resolver.error(f"{name}.BucketName", f"{bucket!r} is no bucket name: 3 to 63 of a-z 0-9 . -")
        return bucket

    def _stream_name(self, name: str) -> str:
        return self._name(name, "Name", f"{STACK}-{name}")

    def _function_name(self, name: str) -> str:
        return self._name(name, "FunctionName", f"{STACK}-{name}")

    def _function(self, name: str, layers: Mapping[str, Path]) -> Function:
        raw = self._raw(name)
        self._resolved(name, dict.fromkeys(raw)).refuse_unknown(function_properties.KNOWN)
        read = {key: raw[key] for key in function_properties.READ if key in raw}
        return read_function(name, self._function_name(name), self._resolved(name, read), self.path.parent, layers)

    def _stream(self, name: str) -> DataStream:
        raw = self._raw(name)
        self._resolved(name, dict.fromkeys(raw)).refuse_unknown(stream_properties.KNOWN)
        read = {key: raw[key] for key in stream_properties.READ if key in raw}
        return read_data_stream(self._stream_name(name), self._resolved(name, read))

    def _machine_name(self, name: str) -> str:
        return self._name(name, "Name", f"{STACK}-{name}")

    def _machine(self, name: str) -> StateMachine:
        raw = self._raw(name)
        self._resolved(name, dict.fromkeys(raw)).refuse_unknown(state_machine_properties.KNOWN)
        read = {key: raw[key] for key in state_machine_properties.READ if key in raw}
        return read_state_machine(self._machine_name(name), self._resolved(name, read), self.path.parent)

    def _layer(self, name: str) -> Path:
        return read_folder(self._resolved(name, self._raw(name)), "ContentUri", self.path.parent)

    def _mappings(self) -> Iterator[EventSourceMapping]:
        for function in self._of_kind(FUNCTION):
            for name, event in self._events(function).items():
                if event["Type"] in KINDS:
                    yield self._event_source(function, name, event)
        for name in self._of_kind(MAPPING):
            yield self._explicit_mapping(name)

    def _events(self, function: str) -> Mapping[str, Mapping[str, Any]]:
        events = self._raw(function).get("Events") or {}
        if not isinstance(events, dict):
            raise self.resolver.error(f"{function}.Events", "it takes an object")
        for name, event in events.items():
            if not isinstance(event, dict) or not isinstance(event.get("Type"), str):
                raise self.resolver.error(f"{function}.Events.{name}", "an event needs a Type")
        return events

    def _event_source(self, function: str, name: str, event: Mapping[str, Any]) -> EventSourceMapping:
        properties = self._resolved(f"{function}.Events.{name}", event.get("Properties") or {})
        properties.refuse_unknown(SAM_PROPERTIES)
        # SAM names the mapping like this.
        return read_event_source(f"{function}{name}", function, event["Type"], properties.text("Stream"), properties)

    def _explicit_mapping(self, name: str) -> EventSourceMapping:
        properties = self._resolved(name, self._raw(name))
        properties.refuse_unknown(RESOURCE_PROPERTIES)
        stream = properties.text("EventSourceArn")
        kind = {"dynamodb": "DynamoDB", "kinesis": "Kinesis"}.get(stream.split(":")[2] if stream.count(":") > 4 else "")
        if kind is None:
            raise properties.refuse("EventSourceArn", f"{stream!r} is not the ARN of a stream")
        return read_event_source(name, self._function_of(properties), kind, stream, properties)

    def _function_of(self, properties: Properties) -> str:
        wanted = properties.text("FunctionName")
        for name in self._of_kind(FUNCTION):
            if wanted in (self._function_name(name), function_arn(self._function_name(name))):
                return name
        raise properties.refuse("FunctionName", f"the template declares no function {wanted}")

    def _check_destination(self, mapping: EventSourceMapping, buckets: Mapping[str, str]) -> None:
        bucket = mapping.on_failure_bucket
        if bucket is not None and bucket not in buckets.values():
            place = f"{mapping.name}.DestinationConfig.OnFailure.Destination"
            raise self.resolver.error(place, f"the template declares no bucket {bucket}")

    def _ignored(self) -> Iterator[str]:
        carried = (FUNCTION, LAYER, BUCKET, MAPPING, STREAM, MACHINE)
        yield from (f"{name} ({self._kind(name)})" for name in self.active if self._kind(name) not in carried)
        for function in self._of_kind(FUNCTION):
            for name, event in self._events(function).items():
                if event["Type"] not in KINDS:
                    yield f"{function}.Events.{name} ({event['Type']})"


def _merge(shared: Any, own: Any) -> Any:
    # SAM's rule for Globals: objects are merged, lists are joined, anything else is replaced.
    if isinstance(shared, dict) and isinstance(own, dict):
        return {**shared, **{name: _merge(shared.get(name), value) for name, value in own.items()}}
    if isinstance(shared, list) and isinstance(own, list):
        return shared + own
    return own
