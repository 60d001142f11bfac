"""The replayer's handler: a schedule or an event in, parked batches and letters gone, counts out."""

import json
from types import SimpleNamespace

import pytest
from builders import change_record, order
from handler_builders import CONTEXT, ROOT, load_app
from replay_builders import Post

from tailrace.errors import UserError
from tailrace.letterboxes import LetterBoxError
from tailrace.outcomes import ConservationError
from tailrace.settings import SettingsError

EVENTS = sorted((ROOT / "events/replayer").glob("*.json"))
SCHEDULED = json.loads((ROOT / "events/replayer/scheduled.json").read_text())


@pytest.fixture
def app(monkeypatch):
    return load_app("replayer", monkeypatch)


@pytest.fixture
def post(app, monkeypatch):
    """One dead letter and one parked batch, which the handler finds."""
    twin = Post()
    twin.items.tables["orders"] = [order("o-1"), order("o-2")]
    twin.refuse("o-1")
    twin.index(change_record())
    twin.mend()
    twin.park(change_record(new=order("o-2", note={"S": "hush"}), sequence=2))
    twin.clock.seconds = app.SystemClock().now()
    replayer = twin.replayer()
    monkeypatch.setattr(app, "_replayer", lambda: replayer)
    return twin


def test_a_schedule_takes_parked_batches_and_leaves_letters(app, post):
    answer = app.lambda_handler(SCHEDULED, CONTEXT)

    assert answer == {
        "letters": {"settled": 0, "again": 0, "parked": 0, "failed": 0},
        "batches": {"settled": 1, "failed": 0},
        "outcomes": {"indexed": 1},
        "unreadable": 0,
        "is_finished": True,
    }
    assert [key[:13] for key in post.held()] == ["dead-letters/"]


def test_an_event_without_a_word_takes_parked_batches_too(app, post):
    assert app.lambda_handler({}, CONTEXT)["batches"] == {"settled": 1, "failed": 0}
    assert len(post.held()) == 1


@pytest.mark.parametrize("event", [{"letters": True}, {"table": "orders"}, {"since": "2025-11-21"}])
def test_an_event_that_asks_for_letters_takes_both(app, post, event):
    answer = app.lambda_handler(event, CONTEXT)

    assert (answer["letters"]["settled"], answer["batches"]["settled"], post.held()) == (1, 1, [])


def test_an_event_may_leave_the_batches(app, post):
    answer = app.lambda_handler({"letters": True, "batches": False}, CONTEXT)

    assert (answer["letters"]["settled"], [key[:11] for key in post.held()]) == (1, ["aws/lambda/"])


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_event_file_is_a_replay_that_ends(app, post, path):
    answer = app.lambda_handler(json.loads(path.read_text()), CONTEXT)

    assert (answer["is_finished"], answer["unreadable"]) == (True, 0)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"tabel": "orders"}, "'tabel' is nothing to select by: table, reason, since, until, letters, parked, batches"),
        ({"letters": "yes"}, "letters has to be true or false"),
        ({"table": 7}, "table has to be a text"),
        ({"table": "a/b"}, "'a/b' is no table's name"),
        ({"since": "yesterday"}, "'yesterday' is no time"),
        ({"since": "1h", "until": "2h"}, "nothing lies between 1h and 2h"),
    ],
)
def test_what_an_event_misspells_replays_nothing(app, post, event, why):
    before = post.held()

    with pytest.raises(UserError, match=f"^{why}"):
        app.lambda_handler(event, CONTEXT)

    assert post.held() == before


def test_without_time_nothing_is_begun(app, post):
    before = post.held()

    answer = app.lambda_handler({"letters": True}, SimpleNamespace(get_remaining_time_in_millis=lambda: 500))

    assert (answer["is_finished"], post.held()) == (False, before)


def test_metrics_and_log_lines_for_each_part_and_for_the_whole_without_any_value(app, post, capsys):
    app.lambda_handler({"letters": True}, CONTEXT)

    output = capsys.readouterr().out
    lines = list(map(json.loads, output.splitlines()))
    assert [line.get("message") for line in lines] == [None, "batch", None, "batch", None, "replay"]
    assert (lines[4]["Replayed"], lines[4]["Unreplayed"], lines[4]["service"]) == (2, 0, "replayer")
    assert lines[5]["letters"]["settled"] == 1
    assert "hush" not in output


def test_what_is_left_is_a_metric_and_an_object_that_is_no_letter_a_line(app, post, capsys):
    post.letters.letters["dead-letters/orders/x"] = b"{}"
    post.engine.outage = 403

    app.lambda_handler({"letters": True}, CONTEXT)

    lines = list(map(json.loads, capsys.readouterr().out.splitlines()))
    [told] = [line for line in lines if line.get("message") == "object"]
    [metrics] = [line for line in lines if "Unreplayed" in line]
    assert told["key"] == "dead-letters/orders/x"
    assert (metrics["Replayed"], metrics["Unreplayed"]) == (0, 3)  # the letter, the object, and what was not reached


def test_a_bucket_that_refuses_fails_the_invocation(app, post):
    post.letters.is_down = True

    with pytest.raises(LetterBoxError):
        app.lambda_handler(SCHEDULED, CONTEXT)


def test_a_breach_of_conservation_is_a_metric_and_an_error_and_deletes_nothing(app, post, capsys, monkeypatch):
    before = post.held()
    monkeypatch.setattr("tailrace.delivery.Delivery.deliver", lambda self, actions, is_late: [])

    with pytest.raises(ConservationError):
        app.lambda_handler(SCHEDULED, CONTEXT)

    assert json.loads(capsys.readouterr().out.splitlines()[0])["ConservationBreaches"] == 1
    assert post.held() == before


def test_a_missing_variable_is_named(app, monkeypatch):
    monkeypatch.delenv("DEAD_LETTER_BUCKET")

    with pytest.raises(SettingsError, match="DEAD_LETTER_BUCKET is not set"):
        app.lambda_handler({}, CONTEXT)


@pytest.mark.parametrize("hops", ["0", "-1", "five"])
def test_a_hop_limit_that_is_none_is_named(app, monkeypatch, hops):
    monkeypatch.setenv("TAILRACE_MAX_HOPS", hops)

    with pytest.raises(SettingsError, match=f"TAILRACE_MAX_HOPS is '{hops}': it must be a whole number of at least 1"):
        app.lambda_handler({}, CONTEXT)


def test_the_replayer_is_made_of_the_environment(app, monkeypatch):
    monkeypatch.setenv("TAILRACE_MAX_HOPS", "7")
    replayer = app._replayer()

    assert (replayer.max_hops, replayer.pipeline.tables.spec("flights").name) == (7, "flights")
