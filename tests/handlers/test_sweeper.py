"""The sweeper's handler: a scheduled event in, tombstones gone, counts out."""

import importlib.util
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import SECOND, Indexer, change_record

from tailrace.adapters.memory_tombstones import MemoryTombstones
from tailrace.failures import EngineError
from tailrace.settings import SettingsError
from tailrace.sweeping import Sweeper, SweepError

ROOT = Path(__file__).resolve().parents[2]
EVENTS = sorted((ROOT / "events/sweeper").glob("*.json"))
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 30_000)
ENVIRONMENT = {
    "TAILRACE_TABLES": str(ROOT / "tables.yaml"),
    "OPENSEARCH_URL": "http://127.0.0.1:1",
    "OPENSEARCH_SERVICE": "none",
    "DEAD_LETTER_BUCKET": "letters",
    "AWS_REGION": "us-east-1",
    "TAILRACE_TIME_MARGIN_MS": "1000",
}


@pytest.fixture
def app(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    logging.Logger.manager.loggerDict.pop("sweeper", None)  # it would write to the standard output of an earlier test
    spec = importlib.util.spec_from_file_location("sweeper_app", ROOT / "functions/sweeper/app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def indexer(app, monkeypatch):
    """An indexer with one old tombstone, whose engine the handler sweeps."""
    twin = Indexer()
    twin.index(change_record("REMOVE", second=SECOND - 400 * 86_400))
    sweeper = Sweeper(twin.tables, MemoryTombstones(twin.engine), app.SystemClock())
    monkeypatch.setattr(app, "_sweeper", lambda: sweeper)
    return twin


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_event_file_is_a_sweep(app, indexer, path):
    answer = app.lambda_handler(json.loads(path.read_text()), CONTEXT)

    assert answer == {"indices": 1, "removed": 1, "kept": 0, "failed": 0, "is_finished": True}
    assert indexer.engine.documents == {}


def test_one_metric_blob_and_one_log_line_per_sweep(app, indexer, capsys):
    app.lambda_handler({}, CONTEXT)

    metrics, line = map(json.loads, capsys.readouterr().out.splitlines())
    assert metrics["Swept"] == 1
    assert (line["message"], line["removed"], line["is_finished"]) == ("sweep", 1, True)


def test_failure_83_an_index_that_fails_is_logged_and_fails_the_invocation(app, indexer, capsys, monkeypatch):
    def fail(self, *_):
        raise EngineError(403, "no")

    monkeypatch.setattr(MemoryTombstones, "find_tombstones", fail)

    with pytest.raises(SweepError, match=r"orders@000001 \(http_403\)"):
        app.lambda_handler({}, CONTEXT)

    warning = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (warning["index"], warning["reason"]) == ("orders@000001", "http_403")


def test_a_missing_variable_is_named(app, monkeypatch):
    monkeypatch.delenv("OPENSEARCH_URL")

    with pytest.raises(SettingsError, match="OPENSEARCH_URL is not set"):
        app.lambda_handler({}, CONTEXT)


def test_the_sweeper_is_made_of_the_environment(app):
    assert app._sweeper().tables.spec("flights").tombstone_days == 14
