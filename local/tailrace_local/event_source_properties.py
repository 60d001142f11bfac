"""The properties of a stream's event source mapping, checked as CloudFormation and Lambda would check them.

Invariant: every property is either carried, refused with its name and the reason, or of no effect on a laptop by
`WITHOUT_EFFECT`; none is passed over in silence.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from tailrace_local.filters import FilterPatternError, compile_filters
from tailrace_local.properties import Properties
from tailrace_local.shard_mapping import MappingPolicy

KINDS = ("DynamoDB", "Kinesis")
POSITIONS = ("TRIM_HORIZON", "LATEST")  # AT_TIMESTAMP of Kinesis is not carried
WITHOUT_EFFECT = frozenset({"KmsKeyArn", "MetricsConfig", "StartingPositionTimestamp", "Tags"})
MAX_FILTERS = 10  # Lambda quota: 5, on request 10
BUCKET_ARN = "arn:aws:s3:::"


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One event source of a function, as the template declares it; `on_failure_bucket` is a bucket's name."""

    name: str
    function: str
    kind: str
    stream_arn: str
    starting_position: str
    is_enabled: bool
    policy: MappingPolicy
    filters: tuple[str, ...] = ()
    on_failure_bucket: str | None = None

    @property
    def id(self) -> str:
        """Its UUID: made from its name, so that it is the same on every run."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.name))


_BOUNDS: Mapping[str, tuple[int, int, int]] = {
    "BatchSize": (100, 1, 10_000),
    "MaximumBatchingWindowInSeconds": (0, 0, 300),
    "ParallelizationFactor": (1, 1, 10),
    "MaximumRetryAttempts": (-1, -1, 10_000),
    "MaximumRecordAgeInSeconds": (-1, -1, 604_800),
    "TumblingWindowInSeconds": (0, 0, 900),
}
_SHARED = frozenset(
    {
        *_BOUNDS,
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "Enabled",
        "FilterCriteria",
        "FunctionResponseTypes",
        "StartingPosition",
        *WITHOUT_EFFECT,
    }
)
SAM_PROPERTIES = _SHARED | {"Stream"}
RESOURCE_PROPERTIES = _SHARED | {"EventSourceArn", "FunctionName"}


def read_event_source(
    name: str, function: str, kind: str, stream_arn: str, properties: Properties
) -> EventSourceMapping:
    """The mapping that resolved properties declare. Raises what `properties.refuse` makes."""
    return EventSourceMapping(
        name=name,
        function=function,
        kind=kind,
        stream_arn=stream_arn,
        starting_position=properties.choice("StartingPosition", POSITIONS),
        is_enabled=properties.boolean("Enabled", True),
        policy=_read_policy(properties),
        filters=_read_filters(properties.within("FilterCriteria")),
        on_failure_bucket=_read_destination(properties.within("DestinationConfig")),
    )


def _read_policy(properties: Properties) -> MappingPolicy:
    numbers = {name: properties.integer(name, *bounds) for name, bounds in _BOUNDS.items()}
    if numbers["TumblingWindowInSeconds"]:
        raise properties.refuse("TumblingWindowInSeconds", "the laptop cloud does not carry tumbling windows yet")
    return MappingPolicy(
        batch_size=numbers["BatchSize"],
        window_seconds=numbers["MaximumBatchingWindowInSeconds"],
        parallelization=numbers["ParallelizationFactor"],
        bisects=properties.boolean("BisectBatchOnFunctionError", False),
        max_retries=numbers["MaximumRetryAttempts"],
        max_age_seconds=numbers["MaximumRecordAgeInSeconds"],
        reports_item_failures=_reports_item_failures(properties),
    )


def _reports_item_failures(properties: Properties) -> bool:
    types = properties.values.get("FunctionResponseTypes", [])
    if types not in ([], ["ReportBatchItemFailures"]):
        raise properties.refuse("FunctionResponseTypes", f"{types!r} is not a list of ReportBatchItemFailures")
    return bool(types)


def _read_filters(criteria: Properties) -> tuple[str, ...]:
    criteria.refuse_unknown(frozenset({"Filters"}))
    filters = criteria.values.get("Filters", [])
    if not isinstance(filters, list) or len(filters) > MAX_FILTERS:
        raise criteria.refuse("Filters", f"it takes a list of at most {MAX_FILTERS} filters")
    patterns = tuple(_pattern(criteria, index, each) for index, each in enumerate(filters))
    try:
        compile_filters(patterns)
    except FilterPatternError as error:
        raise criteria.refuse("Filters", str(error)) from None
    return patterns


def _pattern(criteria: Properties, index: int, value: object) -> str:
    pattern = value.get("Pattern") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(pattern, str):
        raise criteria.refuse(f"Filters[{index}]", "it takes a Pattern, which is JSON in a text")
    return pattern


def _read_destination(config: Properties) -> str | None:
    config.refuse_unknown(frozenset({"OnFailure"}))
    if not config.values:
        return None
    on_failure = config.within("OnFailure")
    on_failure.refuse_unknown(frozenset({"Destination", "Type"}))
    destination = on_failure.text("Destination")
    if on_failure.text("Type", "S3") != "S3" or not destination.startswith(BUCKET_ARN):
        raise on_failure.refuse("Destination", f"{destination!r}: the laptop cloud carries S3 buckets (by ARN) only")
    return destination.removeprefix(BUCKET_ARN)
