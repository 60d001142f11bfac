"""The reindexer's handler: an event that names a step in, an answer to choose the next state by out."""

import json
from contextlib import contextmanager

import pytest
import yaml
from handler_builders import CONTEXT, ROOT, load_app

from tailrace.errors import UserError
from tailrace.reindex_steps import take_step
from tailrace.settings import SettingsError

EVENTS = sorted((ROOT / "events/reindexer").glob("*.json"))
TABLES = yaml.safe_load((ROOT / "tables.yaml").read_text(encoding="utf-8"))["tables"]


@pytest.fixture
def app(monkeypatch):
    return load_app("reindexer", monkeypatch)


@pytest.fixture
def taken(app, monkeypatch):
    """What the handler asked for: settings, event, and seconds that the step may take."""
    seen = []

    @contextmanager
    def open_nothing(settings, event):
        yield settings

    def take(reindexer, event, deadline):
        seen.append((reindexer.fence_seconds, event["step"], deadline - app.SystemClock().now()))
        return {"phase": "loading"}

    monkeypatch.setattr(app, "open_reindexer", open_nothing)
    monkeypatch.setattr(app, "take_step", take)
    return seen


def test_a_step_has_the_time_of_the_invocation_without_the_margin(app, taken):
    assert app.lambda_handler({"step": "prepare", "table": "airlines"}, CONTEXT) == {"phase": "loading"}

    [(fence, step, seconds)] = taken
    assert (fence, step) == (130, "prepare")
    assert 28 < seconds <= 29


def test_one_log_line_for_each_step(app, taken, capsys):
    app.lambda_handler({"step": "prepare", "table": "airlines"}, CONTEXT)

    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["service"]) == ("step", "reindexer")
    assert (line["step"], line["phase"]) == ("prepare", "loading")


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_event_file_names_a_table_and_a_step_that_are_there(path):
    event = json.loads(path.read_text())

    assert (event.get("input") or event)["table"] in TABLES
    with pytest.raises(AttributeError):  # it goes as far as asking the reindexer
        take_step(None, event, 0.0)


@pytest.mark.parametrize("event", [{"step": "begin"}, {"step": "begin", "input": {"table": "salaries"}}])
def test_an_unknown_table_is_named_with_those_that_there_are(app, event):
    with pytest.raises(UserError, match="it must be one of flights, airlines, airports, planes, weather"):
        app.lambda_handler(event, CONTEXT)


def test_a_missing_variable_is_named(app, monkeypatch):
    monkeypatch.delenv("OPENSEARCH_URL")

    with pytest.raises(SettingsError, match="OPENSEARCH_URL is not set"):
        app.lambda_handler({"step": "status", "table": "airlines"}, CONTEXT)
