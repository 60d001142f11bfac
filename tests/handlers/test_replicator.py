"""The replicator's handler: events as files, environment to replicator, answer and log lines."""

import json
import time
from pathlib import Path

import orjson
import pytest
from handler_builders import CONTEXT, ROOT, load_app

from tailrace.adapters.memory import ManualClock, MemoryDeadLetters
from tailrace.adapters.memory_kinesis import MemoryChangeStream
from tailrace.adapters.tables_file import read_tables
from tailrace.outcomes import ConservationError
from tailrace.replication import Replicator
from tailrace.settings import SettingsError

EVENTS = ROOT / "events/replicator"
ENVIRONMENT = {
    "TAILRACE_TABLES": str(ROOT / "tables.yaml"),
    "TAILRACE_KINESIS_STREAM": "changes",
    "DEAD_LETTER_BUCKET": "letters",
    "AWS_REGION": "us-east-1",
    "TAILRACE_TIME_MARGIN_MS": "1000",
}


@pytest.fixture
def app(monkeypatch):
    return load_app("replicator", monkeypatch, ENVIRONMENT)


@pytest.fixture
def stream(app, monkeypatch):
    twin, letters = MemoryChangeStream(), MemoryDeadLetters()
    replicator = Replicator(read_tables(ROOT / "tables.yaml"), twin, letters, ManualClock(time.time()))
    monkeypatch.setattr(app, "_replicator", lambda: replicator)
    return twin


def load(name):
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def logged(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def keys(stream):
    return [entry.partition_key for entry in stream.entries]


def test_an_insert_reaches_the_stream_complete(app, stream):
    event = load("insert")

    assert app.lambda_handler(event, CONTEXT) == {"batchItemFailures": []}
    assert keys(stream) == ["VX"]
    assert orjson.loads(stream.entries[0].data)["record"] == event["Records"][0]


def test_a_mixed_batch_keeps_the_order_of_each_item(app, stream):
    assert app.lambda_handler(load("mixed-batch"), CONTEXT) == {"batchItemFailures": []}
    assert keys(stream) == ["VX", "B6", "2013-01-01\\|UA1545\\|EWR\\|0515", "VX", "B6"]
    assert [orjson.loads(entry.data)["record"]["eventName"] for entry in stream.entries][-2:] == ["MODIFY", "REMOVE"]


def test_failure_14_a_poison_record_is_a_dead_letter_between_its_neighbours(app, stream, capsys):
    assert app.lambda_handler(load("poison"), CONTEXT) == {"batchItemFailures": []}
    assert keys(stream) == ["VX", "B6"]
    assert logged(capsys)[-1]["reason"] == "undecodable"


def test_every_event_file_has_its_test():
    text = Path(__file__).read_text(encoding="utf-8")

    assert [path.stem for path in EVENTS.glob("*.json") if f'load("{path.stem}")' not in text] == []


def test_failure_81_an_unwritten_record_is_named_by_its_sequence_number(app, stream):
    stream.refuse = lambda entry: "InternalFailure" if entry.partition_key == "B6" else None

    answer = app.lambda_handler(load("mixed-batch"), CONTEXT)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "111000000000000000000002"}]}


def test_one_metric_blob_and_one_log_line_per_batch_with_the_account(app, stream, capsys):
    app.lambda_handler(load("mixed-batch"), CONTEXT)

    metrics, batch = logged(capsys)
    assert (metrics["service"], metrics["RecordsIn"], metrics["Replicated"]) == ("replicator", 5, 5)
    assert (metrics["ConservationBreaches"], "Indexed" in metrics) == (0, False)
    assert (batch["message"], batch["records_in"], batch["replicated"]) == ("batch", 5, 5)
    assert batch["tables"] == ["airlines", "flights"]


def test_no_key_and_no_item_value_reaches_the_log(app, stream, capsys):
    stream.refuse = lambda entry: "InternalFailure"

    app.lambda_handler(load("insert"), CONTEXT)

    output = capsys.readouterr().out
    assert '"outcome":"failed"' in output
    assert "Virgin" not in output
    assert '"VX"' not in output


def test_a_breach_of_conservation_is_a_metric_and_an_error(app, stream, capsys, monkeypatch):
    monkeypatch.setattr("tailrace.replication._Batch._write_all", lambda self: None)

    with pytest.raises(ConservationError):
        app.lambda_handler(load("insert"), CONTEXT)

    assert logged(capsys)[0]["ConservationBreaches"] == 1


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "TAILRACE_KINESIS_STREAM",
            "",
            "TAILRACE_KINESIS_STREAM is not set: set it to the name or ARN of a Kinesis stream.",
        ),
        ("DEAD_LETTER_BUCKET", "", "DEAD_LETTER_BUCKET is not set: set it to the name of an S3 bucket."),
        ("TAILRACE_TABLES", "", "TAILRACE_TABLES is not set: set it to the path of tables.json or tables.yaml."),
        ("TAILRACE_TIME_MARGIN_MS", "x", "TAILRACE_TIME_MARGIN_MS is 'x': it must be a whole number of at least 0."),
    ],
)
def test_a_missing_or_bad_variable_is_named(app, monkeypatch, name, value, text):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as error:
        app.lambda_handler(load("insert"), CONTEXT)

    assert str(error.value) == text


def test_law_6_two_warm_invocations_share_nothing_but_their_clients(app, stream):
    stream.refuse = lambda entry: "InternalFailure"
    app.lambda_handler(load("insert"), CONTEXT)
    stream.refuse = None

    assert app.lambda_handler(load("insert"), CONTEXT) == {"batchItemFailures": []}
    assert keys(stream) == ["VX"]
