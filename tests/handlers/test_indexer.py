"""The indexer's handler: events as files, environment to pipeline, answer and log lines."""

import json

import pytest
from builders import Indexer, change_record, event, order, sequence_number
from handler_builders import CONTEXT, ROOT, load_app

from tailrace.outcomes import ConservationError
from tailrace.pipeline import Pipeline
from tailrace.settings import SettingsError

EVENTS = sorted((ROOT / "events/indexer").glob("*.json"))


@pytest.fixture
def app(monkeypatch):
    return load_app("indexer", monkeypatch)


@pytest.fixture
def indexer(app, monkeypatch):
    twin = Indexer()
    pipeline = Pipeline(twin.tables, twin.engine, twin.letters, twin.items, twin.clock, twin.policy)
    monkeypatch.setattr(app, "_pipeline", lambda: pipeline)
    return twin


def logged(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_handler_answers_a_partial_batch_response(app, indexer):
    assert app.lambda_handler(event(change_record()), CONTEXT) == {"batchItemFailures": []}
    assert list(indexer.engine.visible("orders")) == ["o-1"]


def test_a_failed_record_is_named_by_its_sequence_number(app, indexer):
    indexer.engine.outage = 403

    answer = app.lambda_handler(event(change_record()), CONTEXT)

    assert answer == {"batchItemFailures": [{"itemIdentifier": sequence_number(1)}]}


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_event_file_is_taken_to_its_end(app, indexer, path):
    answer = app.lambda_handler(json.loads(path.read_text()), CONTEXT)

    assert answer == {"batchItemFailures": []}


def test_one_metric_blob_and_one_log_line_per_batch_with_the_account(app, indexer, capsys):
    app.lambda_handler(event(change_record()), CONTEXT)

    metrics, batch = logged(capsys)
    assert (metrics["RecordsIn"], metrics["Indexed"], metrics["ConservationBreaches"]) == (1, 1, 0)
    assert (batch["message"], batch["records_in"], batch["indexed"], batch["tables"]) == ("batch", 1, 1, ["orders"])


def test_no_item_value_reaches_the_log(app, indexer, capsys):
    secret = order(card={"N": "4111-1111-1111"}, note={"S": "hush-hush"})

    app.lambda_handler(event(change_record(new=secret)), CONTEXT)

    output = capsys.readouterr().out
    assert '"reason":"illegal_item"' in output
    assert "hush" not in output
    assert "4111" not in output


def test_a_breach_of_conservation_is_a_metric_and_an_error(app, indexer, capsys, monkeypatch):
    monkeypatch.setattr("tailrace.delivery.Delivery.deliver", lambda self, actions, **_: [])

    with pytest.raises(ConservationError):
        app.lambda_handler(event(change_record()), CONTEXT)

    assert logged(capsys)[0]["ConservationBreaches"] == 1


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("OPENSEARCH_URL", "", "OPENSEARCH_URL is not set: set it to the endpoint of OpenSearch, https://…."),
        (
            "OPENSEARCH_URL",
            "search:9200",
            "OPENSEARCH_URL is not a URL: it must begin with https:// (or http:// on loopback).",
        ),
        ("DEAD_LETTER_BUCKET", "", "DEAD_LETTER_BUCKET is not set: set it to the name of an S3 bucket."),
        ("TAILRACE_TABLES", "", "TAILRACE_TABLES is not set: set it to the path of tables.json or tables.yaml."),
        ("OPENSEARCH_SERVICE", "s3", "OPENSEARCH_SERVICE is 's3': it must be one of es, aoss, none."),
        (
            "TAILRACE_MAX_BULK_BYTES",
            "5 MiB",
            "TAILRACE_MAX_BULK_BYTES is '5 MiB': it must be a whole number of at least 1024.",
        ),
        ("TAILRACE_TIME_MARGIN_MS", "-1", "TAILRACE_TIME_MARGIN_MS is '-1': it must be a whole number of at least 0."),
    ],
)
def test_a_missing_or_bad_variable_is_named(app, monkeypatch, name, value, text):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as error:
        app.lambda_handler(event(), CONTEXT)

    assert str(error.value) == text
