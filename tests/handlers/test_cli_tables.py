# ruff: noqa: E501 — rendered text is compared as it stands
"""`tailrace tables` and the command line around it: exact sentences, exit statuses, files written."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from builders import change_record, event, order
from kinesis_builders import kinesis_change, kinesis_position

from tailrace.errors import TailraceError
from tailrace_cli import main as command_line
from tailrace_cli.main import COMMANDS, run
from tailrace_cli.rendering import BLOCKS

ROOT = Path(__file__).resolve().parents[2]
ORDERS = """\
tables:
  orders:
    key: [id]
    filter: {where: {status: [PAID]}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in the current folder; writes tables.yaml and whatever else is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENSEARCH_URL", raising=False)

    def write(tables=ORDERS, **files):
        (tmp_path / "tables.yaml").write_text(tables)
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
        return tmp_path

    return write


@pytest.fixture
def template(project):
    """A project with a template that has every block, all empty."""
    root = project()
    (root / "layers/tailrace").mkdir(parents=True)
    blocks = [
        f"{'  ' * n}# >>> tables: {name}\n{'  ' * n}# <<< tables: {name}\n" for n, name in enumerate(BLOCKS, start=1)
    ]
    (root / "template.yaml").write_text("Above: 1\n" + "Between: 2\n".join(blocks) + "Below: 3\n")
    return root


def test_check_shows_what_the_tables_mean(project, capsys):
    project("tables: {orders: {key: [id]}, Planes: {type_attribute: kind, source: kinesis, deletes: hard}}")

    assert run(["tables", "check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "table   key             source   index          fields  deletes",
        "orders  id              streams  orders         0       soft, 14 days",
        "Planes  (not declared)  kinesis  planes-<type>  0       hard",
        "tables.yaml: 2 tables, no mistakes",
    ]


def test_check_is_one_json_document_for_machines(project, capsys):
    project("tables: {orders: {key: [id]}}")

    assert run(["tables", "check", "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out) == {
        "file": "tables.yaml",
        "tables": [
            {
                "table": "orders",
                "key": "id",
                "source": "streams",
                "index": "orders",
                "fields": 0,
                "deletes": "soft, 14 days",
                "fingerprint": "0c4dc5f02a97beee898b3cbaec410cc1",
            }
        ],
        "mistakes": [],
    }


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ("tables:\n  orders: a: b\n", "Error: tables.yaml:2: not YAML: mapping values are not allowed here\n"),
        (
            "tables:\n  orders: {}\n  orders: {}\n",
            'Error: tables.yaml:3: the key "orders" stands twice (first in line 2)\n',
        ),
        ("", "Error: tables.yaml: the document is empty: it needs `tables:` with an entry for each table\n"),
        (
            "tables: {orders: {feilds: {}}}\n",
            'Error: tables.yaml: tables.orders.feilds: unknown key; did you mean "fields"?\n',
        ),
        (
            "tables: {orders: {tombstone_days: two weeks}}\n",
            "Error: tables.yaml: tables.orders.tombstone_days: must be a whole number from 1 to 3650, "
            'not "two weeks"\n',
        ),
        (
            "tables: {orders: {}, Orders: {source: kinesis}}\n",
            "Error: tables.yaml: tables.Orders.index: could be the index of tables.orders too; "
            "give one of them a pattern of its own\n",
        ),
        (
            "tables: {orders: {source: [streams, kinesis]}}\n",
            "Error: tables.yaml: tables.orders.source: a table has one source, streams or kinesis, never both, "
            "not a list\n",
        ),
        (
            "tables: {orders: {key: []}}\n",
            "Error: tables.yaml: tables.orders.key: must name one attribute, or two with the sort key last, not 0\n",
        ),
        ("defaults: {}\n", "Error: tables.yaml: tables: missing; it holds an entry for each table\n"),
    ],
)
def test_a_broken_tables_file_is_one_clear_sentence(project, capsys, tables, sentence):
    project(tables)

    assert run(["tables", "check"]) == 2
    assert capsys.readouterr() == ("", sentence)


def test_all_mistakes_are_shown_together(project, capsys):
    project("tables: {orders: {source: kafka, key: []}}\n")

    assert run(["tables", "check"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "Error: tables.yaml: 2 mistakes",
        '  tables.orders.source: must be streams or kinesis, not "kafka"',
        "  tables.orders.key: must name one attribute, or two with the sort key last, not 0",
    ]


def test_mistakes_are_json_for_machines(project, capsys):
    project("tables: {orders: {source: kafka}}\n")

    assert run(["tables", "check", "--json"]) == 2
    assert orjson.loads(capsys.readouterr().out) == {
        "file": "tables.yaml",
        "tables": [],
        "mistakes": ['tables.orders.source: must be streams or kinesis, not "kafka"'],
    }


def test_a_missing_tables_file_is_named(project, capsys):
    project()

    assert run(["tables", "check", "--file", "nowhere.yaml"]) == 2
    assert capsys.readouterr().err == "Error: nowhere.yaml: no such file\n"


def test_explain_says_what_each_record_would_write_and_why(project, capsys):
    records = [
        change_record(sequence=1),
        change_record("MODIFY", old=order(), new=order(status={"S": "LOST"}), sequence=2),
        change_record(new=order("o-2", status={"S": "NEW"}), sequence=3),
        change_record(new=order("o-3", total={"N": "a dozen"}), sequence=4),
        {"eventSource": "aws:kinesis"},
    ]
    project(event=event(*records))

    assert run(["tables", "explain", "event.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "record 0: insert in orders, sequence number 111000000000000000000001",
        "  superseded: a later record of this event changes the same document",
        "record 1: modify in orders, sequence number 111000000000000000000002",
        "  deleted: the item left the table, or no longer belongs in the index",
        "  tombstone o-1 in orders, version 1763726400000000000",
        "record 2: insert in orders, sequence number 111000000000000000000003",
        "  filtered: filter.where does not let it in (status)",
        "record 3: insert in orders, sequence number 111000000000000000000004",
        "  dead_lettered: illegal_item: attribute 'total': a value of type N is not a decimal number",
        "record 4: not a change record",
        "  dead_lettered: undecodable: the record lacks or misspells `kinesis`",
    ]


@pytest.mark.parametrize(
    ("filter_", "record", "why"),
    [
        ("exclude_operations: [insert]", change_record(), "filter.exclude_operations holds insert"),
        (
            "exclude_ttl_deletes: true",
            change_record("REMOVE", userIdentity={"type": "Service", "principalId": "dynamodb.amazonaws.com"}),
            "filter.exclude_ttl_deletes is set, and DynamoDB's TTL deleted the item",
        ),
    ],
)
def test_explain_names_the_filter(project, capsys, filter_, record, why):
    project(f"tables: {{orders: {{key: [id], filter: {{{filter_}}}}}}}", event=event(record))

    run(["tables", "explain", "event.json"])

    assert capsys.readouterr().out.splitlines()[1] == f"  filtered: {why}"


def test_explain_says_when_two_changes_of_one_instant_send_it_to_the_table(project, capsys):
    project("tables: {orders: {key: [id]}}", event=event(kinesis_change(position=1), kinesis_change(position=2)))

    run(["tables", "explain", "event.json"])

    assert capsys.readouterr().out.splitlines()[1::2][:2] == [
        "  item_read: another change is of the same instant: the item would be read",
        "record 1: insert in orders, sequence number " + kinesis_position(2),
    ]


def test_explain_shows_a_change_of_type_as_two_writes(project, capsys):
    record = change_record("MODIFY", old=order(TYPE={"S": "A"}), new=order(TYPE={"S": "B"}))
    project("tables: {orders: {key: [id], type_attribute: TYPE}}", event=event(record))

    run(["tables", "explain", "event.json"])

    assert capsys.readouterr().out.splitlines()[1:] == [
        "  indexed: the item changed its type: it leaves the old index and enters the new one",
        "  tombstone o-1 in orders-a, version 1763726400000000000",
        "  document o-1 in orders-b, version 1763726400000000000",
    ]


def test_explain_says_when_the_item_would_be_read(project, capsys):
    record = change_record()
    del record["dynamodb"]["NewImage"]
    record["dynamodb"]["StreamViewType"] = "KEYS_ONLY"
    project("tables: {orders: {key: [id]}}", event=event(record))

    run(["tables", "explain", "event.json"])

    assert capsys.readouterr().out.splitlines()[1] == (
        "  item_read: view type KEYS_ONLY has no new image: the item would be read"
    )


def test_explain_says_when_a_table_is_unknown(project, capsys):
    project("{defaults: {unknown_tables: refuse}, tables: {}}", event=event(change_record()))

    run(["tables", "explain", "event.json"])

    assert capsys.readouterr().out.splitlines()[1] == (
        "  dead_lettered: unknown_table: table orders is not declared, and unknown tables are refused"
    )


def test_explain_shows_the_document_to_machines(project, capsys):
    project(event=event(change_record(new=order(total={"N": "12345678901234567890123456789012345678"}))))

    assert run(["tables", "explain", "event.json", "--json"]) == 0
    out = capsys.readouterr().out
    (record,) = orjson.loads(out)["records"]
    assert (record["outcome"], record["writes"][0]["alias"], record["writes"][0]["kind"]) == (
        "indexed",
        "orders",
        "document",
    )
    assert '"total":12345678901234567890123456789012345678' in out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{\nx", "Error: event.json:2: not JSON: unexpected character, expected a string key\n"),
        (b"[]", "Error: event.json: a stream event is a JSON object with a list `Records`\n"),
        (b"{}", "Error: event.json: the event has no list `Records`: is it a stream event?\n"),
        (b"\xff", "Error: event.json: not UTF-8 text (byte 0)\n"),
    ],
)
def test_what_is_no_event_is_one_clear_sentence(project, capsys, content, sentence):
    project(event=content)

    assert run(["tables", "explain", "event.json"]) == 2
    assert capsys.readouterr() == ("", sentence)


def test_a_missing_event_is_named(project, capsys):
    project()

    assert run(["tables", "explain", "nowhere.json"]) == 2
    assert capsys.readouterr().err == "Error: nowhere.json: no such file\n"


def test_render_writes_the_blocks_and_nothing_outside_them(template, capsys):
    assert run(["tables", "render"]) == 0
    assert capsys.readouterr().out.splitlines() == ["template.yaml: written", "layers/tailrace/tables.json: written"]
    assert (
        (template / "template.yaml").read_text()
        == """\
Above: 1
  # >>> tables: parameters
  OrdersStreamArn:
    Type: String
    Description: ARN of the stream of table orders, view type NEW_AND_OLD_IMAGES
    AllowedPattern: ^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/orders/stream/.+$
  # <<< tables: parameters
Between: 2
    # >>> tables: change stream
    ArnOfChangeStream:
      Type: String
      Default: none
      Description: Kinesis stream that carries changes; its ARN, or create for one of this stack, or none
      AllowedPattern: ^(none|create|arn:aws[a-z-]*:kinesis:[a-z0-9-]+:[0-9]{12}:stream/.+)$
    # <<< tables: change stream
Between: 2
      # >>> tables: events
      Orders:
        Type: DynamoDB
        Properties:
          Enabled: !If [Replicates, false, true]
          Stream: !Ref OrdersStreamArn
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
              Destination: !GetAtt DeadLetterBucket.Arn
      # <<< tables: events
Between: 2
        # >>> tables: streams
        - !Ref OrdersStreamArn
        # <<< tables: streams
Between: 2
          # >>> tables: replicated events
          Orders:
            Type: DynamoDB
            Properties:
              Stream: !Ref OrdersStreamArn
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
                  Destination: !GetAtt DeadLetterBucket.Arn
          # <<< tables: replicated events
Between: 2
            # >>> tables: replicated streams
            - !Ref OrdersStreamArn
            # <<< tables: replicated streams
Between: 2
              # >>> tables: tables
              - !Select [0, !Split [/stream/, !Ref OrdersStreamArn]]
              # <<< tables: tables
Between: 2
                # >>> tables: progress alarms
                NoProgressAlarm:
                  Type: AWS::CloudWatch::Alarm
                  Properties:
                    AlarmDescription: >-
                      For 15 minutes tables were written, or their changes waited, and the indexer has taken in no record at all. See
                      whether its event source mappings are enabled and may read their streams, then read the errors in its log.
                    Metrics:
                      - Id: waiting
                        Expression: IF(FILL(records, 0) > 0, 0, SUM([age, writes1]))
                      - Id: records
                        ReturnData: false
                        MetricStat:
                          Metric:
                            Namespace: Tailrace
                            MetricName: RecordsIn
                            Dimensions: [{Name: service, Value: indexer}]
                          Period: 300
                          Stat: Sum
                      - Id: age
                        ReturnData: false
                        MetricStat:
                          Metric:
                            Namespace: AWS/Lambda
                            MetricName: IteratorAge
                            Dimensions: [{Name: FunctionName, Value: !Ref IndexerFunction}]
                          Period: 300
                          Stat: Maximum
                      - Id: writes1
                        ReturnData: false
                        MetricStat:
                          Metric:
                            Namespace: AWS/DynamoDB
                            MetricName: ConsumedWriteCapacityUnits
                            Dimensions: [{Name: TableName, Value: "orders"}]
                          Period: 300
                          Stat: Sum
                    EvaluationPeriods: 3
                    Threshold: 0
                    ComparisonOperator: GreaterThanThreshold
                    TreatMissingData: notBreaching
                    AlarmActions: [!Ref AlarmTopic]
                # <<< tables: progress alarms
Between: 2
                  # >>> tables: reindexed tables
                  - !Select [0, !Split [/stream/, !Ref OrdersStreamArn]]
                  # <<< tables: reindexed tables
Between: 2
                    # >>> tables: replayed tables
                    - !Select [0, !Split [/stream/, !Ref OrdersStreamArn]]
                    # <<< tables: replayed tables
Below: 3
"""
    )


def test_render_follows_streams_alone_but_may_read_every_table(template):
    (template / "tables.yaml").write_text("tables: {my.orders: {}, clicks: {source: kinesis}}")

    run(["tables", "render"])

    rendered = (template / "template.yaml").read_text()
    assert "ClicksStreamArn" not in rendered
    assert "table/my[.]orders/stream/" in rendered
    assert "- !Sub arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/clicks\n" in rendered


def test_render_wants_a_change_stream_for_tables_that_come_by_kinesis(template):
    (template / "tables.yaml").write_text("tables: {orders: {source: kinesis}, clicks: {source: kinesis}, users: {}}")

    run(["tables", "render"])

    rendered = (template / "template.yaml").read_text()
    assert "Default: create\n" in rendered
    assert "Kinesis stream with the changes of orders, clicks; its ARN, or create for one of this stack\n" in rendered
    assert "AllowedPattern: ^(create|arn:aws[a-z-]*:kinesis:[a-z0-9-]+:[0-9]{12}:stream/.+)$\n" in rendered


def test_render_without_streams_leaves_legal_yaml(template):
    (template / "tables.yaml").write_text("tables: {}")

    run(["tables", "render"])

    assert (
        (template / "template.yaml").read_text()
        == """\
Above: 1
  # >>> tables: parameters
  # <<< tables: parameters
Between: 2
    # >>> tables: change stream
    ArnOfChangeStream:
      Type: String
      Default: none
      Description: Kinesis stream that carries changes; its ARN, or create for one of this stack, or none
      AllowedPattern: ^(none|create|arn:aws[a-z-]*:kinesis:[a-z0-9-]+:[0-9]{12}:stream/.+)$
    # <<< tables: change stream
Between: 2
      # >>> tables: events
      {}
      # <<< tables: events
Between: 2
        # >>> tables: streams
        []
        # <<< tables: streams
Between: 2
          # >>> tables: replicated events
          {}
          # <<< tables: replicated events
Between: 2
            # >>> tables: replicated streams
            []
            # <<< tables: replicated streams
Between: 2
              # >>> tables: tables
              []
              # <<< tables: tables
Between: 2
                # >>> tables: progress alarms
                # <<< tables: progress alarms
Between: 2
                  # >>> tables: reindexed tables
                  []
                  # <<< tables: reindexed tables
Between: 2
                    # >>> tables: replayed tables
                    []
                    # <<< tables: replayed tables
Below: 3
"""
    )


def test_failure_54_every_table_is_watched_for_progress_eight_by_an_alarm(template):
    names = [f"table{number}" for number in range(17)]
    (template / "tables.yaml").write_text(f"tables: {{{', '.join(f'{name}: {{}}' for name in names)}}}")

    run(["tables", "render"])

    rendered = (template / "template.yaml").read_text()
    assert re.findall(r"NoProgress\w*", rendered) == ["NoProgressAlarm", "NoProgress2Alarm", "NoProgress3Alarm"]
    assert re.findall(r'Name: TableName, Value: "(\w+)"', rendered) == names
    assert max(map(int, re.findall(r"Id: writes(\d+)", rendered))) == 8  # an alarm takes ten metrics at most


def test_render_check_writes_nothing_and_exits_1_until_all_is_rendered(template, capsys):
    before = (template / "template.yaml").read_text()

    assert run(["tables", "render", "--check"]) == 1
    assert (template / "template.yaml").read_text() == before
    assert not (template / "layers/tailrace/tables.json").exists()
    assert capsys.readouterr().out.splitlines() == [
        "template.yaml: differs; run `tailrace tables render`",
        "layers/tailrace/tables.json: differs; run `tailrace tables render`",
    ]

    run(["tables", "render"])
    capsys.readouterr()

    assert run(["tables", "render", "--check", "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out) == {
        "files": [
            {"path": "template.yaml", "changed": False},
            {"path": "layers/tailrace/tables.json", "changed": False},
        ],
        "check": True,
    }


@pytest.mark.parametrize(
    "broken",
    [
        "Above: 1\n",
        "# <<< tables: parameters\n# >>> tables: parameters\n",
        "# >>> tables: parameters\n# <<< tables: parameters\n# >>> tables: parameters\n# <<< tables: parameters\n",
    ],
)
def test_a_template_without_its_markers_is_refused(template, capsys, broken):
    (template / "template.yaml").write_text(broken)

    assert run(["tables", "render"]) == 2
    assert capsys.readouterr().err == (
        'Error: the template needs the line "# >>> tables: parameters" and below it the line '
        '"# <<< tables: parameters", once each\n'
    )
    assert (template / "template.yaml").read_text() == broken


def test_a_missing_template_is_named(project, capsys):
    project()

    assert run(["tables", "render"]) == 2
    assert capsys.readouterr().err == "Error: template.yaml: no such file\n"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "http://127.0.0.1:1",
            "Error: OpenSearch at http://127.0.0.1:1 does not answer; is it up, and is the URL right?\n",
        ),
        ("127.0.0.1:9200", "Error: the URL of OpenSearch must begin with http:// or https:// and name a host\n"),
        ("http://", "Error: the URL of OpenSearch must begin with http:// or https:// and name a host\n"),
        (
            "http://me:secret@127.0.0.1:1",
            "Error: OpenSearch at http://127.0.0.1:1 does not answer; is it up, and is the URL right?\n",
        ),
    ],
)
def test_an_unreachable_engine_is_one_clear_sentence(project, capsys, url, sentence):
    project()

    assert run(["tables", "apply", "--url", url]) == 2
    assert capsys.readouterr() == ("", sentence)


def test_apply_needs_to_know_where_opensearch_is(project, capsys):
    project()

    assert run(["tables", "apply"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "Error: Missing option '--url'."


def test_help_names_every_command_without_importing_one(monkeypatch, capsys):
    monkeypatch.setattr(command_line, "import_module", None)

    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert [name for name in COMMANDS if f"  {name} " not in out] == []


def test_the_version_is_that_of_the_package(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == "tailrace, version 0.1.0\n"


def test_an_unknown_command_is_a_usage_mistake(capsys):
    assert run(["tabels"]) == 2
    assert "Error: No such command 'tabels'." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "status", "sentence"),
    [
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (TailraceError("the engine is gone"), 1, "Error: the engine is gone\n"),
    ],
)
def test_what_ends_a_command_is_one_line(project, capsys, monkeypatch, raised, status, sentence):
    def read_tables(_file):
        raise raised

    project()
    monkeypatch.setattr("tailrace_cli.tables.read_tables", read_tables)

    assert run(["tables", "check"]) == status
    assert capsys.readouterr().err.strip("\n") == sentence.strip("\n")


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path):
    shutil.copy(ROOT / "tables.yaml", tmp_path)
    program = "from tailrace_cli.entry import main; main()"
    command = [sys.executable, "-c", program, "tables", "check"]
    path = ":".join(str(ROOT / folder) for folder in ("layers/tailrace", "cli", "local"))

    with subprocess.Popen(
        command, cwd=tmp_path, env={"PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        child.stdout.close()
        assert (child.stderr.read(), child.wait() in (1, 141)) == (b"", True)
