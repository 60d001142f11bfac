"""The properties of `AWS::Kinesis::Stream`, checked, and what a laptop needs of them.

Invariant: a property that CloudFormation does not know is refused by name; those that a laptop does not read have no
effect here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tailrace_local.arns import data_stream_arn
from tailrace_local.cloudformation import TemplateError
from tailrace_local.properties import Properties

KNOWN = frozenset(
    {
        *("DesiredShardLevelMetrics", "MaxRecordSizeInKiB", "Name", "RetentionPeriodHours", "ShardCount"),
        *("StreamEncryption", "StreamModeDetails", "Tags"),
    }
)
READ = ("ShardCount", "StreamModeDetails")
ON_DEMAND_SHARDS = 4  # published: what a new on-demand stream begins with
MOST_SHARDS = 100  # enough for a laptop
CHANGE_STREAM = "ChangeStream"


@dataclass(frozen=True, slots=True)
class DataStream:
    """A data stream: its name, and with how many shards it begins."""

    name: str
    shards: int

    @property
    def arn(self) -> str:
        """Its ARN on the laptop."""
        return data_stream_arn(self.name)


def read_data_stream(name: str, properties: Properties) -> DataStream:
    """The stream that resolved properties declare. Raises what `properties.refuse` makes."""
    mode = properties.within("StreamModeDetails")
    mode.refuse_unknown(frozenset({"StreamMode"}))
    if mode.values and mode.choice("StreamMode", ("PROVISIONED", "ON_DEMAND")) == "ON_DEMAND":
        if "ShardCount" in properties.values:
            raise properties.refuse("ShardCount", "an on-demand stream takes none")
        return DataStream(name, ON_DEMAND_SHARDS)
    return DataStream(name, properties.integer("ShardCount", 1, 1, MOST_SHARDS))


def choose_change_stream(streams: Mapping[str, DataStream], file: str) -> DataStream:
    """The stream for the tables whose source is Kinesis: `ChangeStream`, or the only one there is.

    Raises `TemplateError`.
    """
    if CHANGE_STREAM in streams:
        return streams[CHANGE_STREAM]
    if len(streams) == 1:
        return next(iter(streams.values()))
    problem = "it has to declare the stream (AWS::Kinesis::Stream) for the tables whose source is kinesis"
    raise TemplateError(f"{file}: Resources.{CHANGE_STREAM}: {problem}")
