"""Rendering: tables.yaml becomes the blocks between markers in template.yaml, and the compiled tables.json.

Invariant: equal specs render to equal bytes, and nothing outside the markers is touched.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from tailrace.errors import UserError
from tailrace.tables import Tables, TableSpec, compile_tables, logical_name

Block = Callable[[Iterable[TableSpec]], Iterator[str]]

_PARAMETER = """\
{logical}StreamArn:
  Type: String
  Description: ARN of the stream of table {name}, view type NEW_AND_OLD_IMAGES
  AllowedPattern: ^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{{12}}:table/{pattern}/stream/.+$"""

# Not ChangeStreamArn: that is the parameter of a table called `change`.
_CHANGE_STREAM = """\
ArnOfChangeStream:
  Type: String
  Default: none
  Description: Kinesis stream that carries changes; its ARN, or create for one of this stack, or none
  AllowedPattern: ^(none|create|arn:aws[a-z-]*:kinesis:[a-z0-9-]+:[0-9]{12}:stream/.+)$"""

_CHANGE_STREAM_OF_TABLES = """\
ArnOfChangeStream:
  Type: String
  Default: create
  Description: Kinesis stream with the changes of {names}; its ARN, or create for one of this stack
  AllowedPattern: ^(create|arn:aws[a-z-]*:kinesis:[a-z0-9-]+:[0-9]{{12}}:stream/.+)$"""

# BatchSize and window: enough records for one bulk request, a second of delay at most. Retries and age: see the
# comment above the block in template.yaml.
_REPLICATED_EVENT = """\
{logical}:
  Type: DynamoDB
  Properties:
    Stream: !Ref {logical}StreamArn
    StartingPosition: TRIM_HORIZON
    BatchSize: 1000
    MaximumBatchingWindowInSeconds: 1
    ParallelizationFactor: 1
    FunctionResponseTypes: [ReportBatchItemFailures]
    BisectBatchOnFunctionError: true
    MaximumRetryAttempts: 100
    MaximumRecordAgeInSeconds: 43200
    DestinationConfig:
      OnFailure:
        Type: S3
        Destination: !GetAtt DeadLetterBucket.Arn"""

# A table has one way at a time: what the replicator follows comes to the indexer by Kinesis.
_EVENT = _REPLICATED_EVENT.replace("  Properties:\n", "  Properties:\n    Enabled: !If [Replicates, false, true]\n")

# An alarm looks at ten metrics at most: what came in, the age of what waits, and the writes of so many tables.
TABLES_OF_AN_ALARM = 8

_PROGRESS_ALARM = """\
NoProgress{number}Alarm:
  Type: AWS::CloudWatch::Alarm
  Properties:
    AlarmDescription: >-
      For 15 minutes tables were written, or their changes waited, and the indexer has taken in no record at all. See
      whether its event source mappings are enabled and may read their streams, then read the errors in its log.
    Metrics:
      - Id: waiting
        Expression: IF(FILL(records, 0) > 0, 0, SUM([{ids}]))
      - Id: records
        ReturnData: false
        MetricStat:
          Metric:
            Namespace: Tailrace
            MetricName: RecordsIn
            Dimensions: [{{Name: service, Value: indexer}}]
          Period: 300
          Stat: Sum
      - Id: age
        ReturnData: false
        MetricStat:
          Metric:
            Namespace: AWS/Lambda
            MetricName: IteratorAge
            Dimensions: [{{Name: FunctionName, Value: !Ref IndexerFunction}}]
          Period: 300
          Stat: Maximum
{writes}
    EvaluationPeriods: 3
    Threshold: 0
    ComparisonOperator: GreaterThanThreshold
    TreatMissingData: notBreaching
    AlarmActions: [!Ref AlarmTopic]"""

_WRITES = """\
      - Id: writes{number}
        ReturnData: false
        MetricStat:
          Metric:
            Namespace: AWS/DynamoDB
            MetricName: ConsumedWriteCapacityUnits
            Dimensions: [{{Name: TableName, Value: "{name}"}}]
          Period: 300
          Stat: Sum"""

_STREAM = "- !Ref {logical}StreamArn"
_TABLE_OF_STREAM = "- !Select [0, !Split [/stream/, !Ref {logical}StreamArn]]"
_TABLE = "- !Sub arn:${{AWS::Partition}}:dynamodb:${{AWS::Region}}:${{AWS::AccountId}}:table/{name}"


def _for_streams(text: str, empty: str = "") -> Block:
    def block(specs: Iterable[TableSpec]) -> Iterator[str]:
        lines = [line for spec in specs if spec.source == "streams" for line in _fill(text, spec)]
        yield from lines or empty.splitlines()

    return block


def _table_arns(specs: Iterable[TableSpec]) -> Iterator[str]:
    """Every table: undecidable records are settled by reading the item, whatever brought them."""
    lines = [line for spec in specs for line in _fill(_TABLE_OF_STREAM if spec.source == "streams" else _TABLE, spec)]
    yield from lines or ["[]"]


def _change_stream(specs: Iterable[TableSpec]) -> Iterator[str]:
    """The stream that all tables with `source: kinesis` share; with such tables there has to be one."""
    names = ", ".join(spec.name for spec in specs if spec.source == "kinesis")
    text = _CHANGE_STREAM_OF_TABLES.format(names=names) if names else _CHANGE_STREAM
    yield from text.splitlines()


def _progress_alarms(specs: Iterable[TableSpec]) -> Iterator[str]:
    """Failure 54: whoever reads the streams may have stopped, and then it tells nothing itself: the tables must."""
    names = [spec.name for spec in specs]
    for number, start in enumerate(range(0, len(names), TABLES_OF_AN_ALARM)):
        some = names[start : start + TABLES_OF_AN_ALARM]
        writes = "\n".join(_WRITES.format(number=n, name=name) for n, name in enumerate(some, start=1))
        ids = ", ".join(["age", *(f"writes{n}" for n in range(1, len(some) + 1))])
        text = _PROGRESS_ALARM.format(number=number + 1 if number else "", ids=ids, writes=writes)
        yield from text.splitlines()


def _fill(text: str, spec: TableSpec) -> list[str]:
    pattern = spec.name.replace(".", "[.]")
    return text.format(logical=logical_name(spec.name), name=spec.name, pattern=pattern).splitlines()


BLOCKS: Mapping[str, Block] = {
    "parameters": _for_streams(_PARAMETER),
    "change stream": _change_stream,
    "events": _for_streams(_EVENT, empty="{}"),
    "streams": _for_streams(_STREAM, empty="[]"),
    "replicated events": _for_streams(_REPLICATED_EVENT, empty="{}"),
    "replicated streams": _for_streams(_STREAM, empty="[]"),
    "tables": _table_arns,
    "progress alarms": _progress_alarms,
    "reindexed tables": _table_arns,
    "replayed tables": _table_arns,
}


def render_template(template: str, tables: Tables) -> str:
    """The template's text with every block between `# >>> tables: NAME` and `# <<< tables: NAME` written anew.

    Raises UserError when a block's markers are missing, not in order, or there twice.
    """
    for name, block in BLOCKS.items():
        template = _replace_block(template, name, list(block(tables.specs.values())))
    return template


def _replace_block(template: str, name: str, lines: list[str]) -> str:
    begin, end = f"# >>> tables: {name}", f"# <<< tables: {name}"
    found = list(re.finditer(rf"^( *){begin}\n(?:.*\n)*?(?=^ *{end}$)", template, flags=re.MULTILINE))
    if len(found) != 1 or template.count(begin) != 1 or template.count(end) != 1:
        raise UserError(f'the template needs the line "{begin}" and below it the line "{end}", once each')
    indent = found[0][1]
    body = "".join(f"{indent}{line}\n" for line in [begin, *lines])
    return template[: found[0].start()] + body + template[found[0].end() :]


def render_compiled(document: object) -> bytes:
    """The compiled tables file, as Lambda reads it. Raises TablesError for a document with mistakes."""
    compiled: dict[str, Any] = compile_tables(document)
    return orjson.dumps(compiled, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
