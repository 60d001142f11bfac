"""The sweeper's handler: a scheduled event in, tombstones gone, counts out."""

import json

import pytest
from builders import SECOND, Indexer, change_record
from handler_builders import CONTEXT, ROOT, load_app

from tailrace.adapters.memory_tombstones import MemoryTombstones
from tailrace.failures import EngineError
from tailrace.settings import SettingsError
from tailrace.sweeping import Sweeper, SweepError

EVENTS = sorted((ROOT / "events/sweeper").glob("*.json"))


@pytest.fixture
def app(monkeypatch):
    return load_app("sweeper", monkeypatch)


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
