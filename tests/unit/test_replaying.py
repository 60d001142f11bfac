"""Replays: what was refused reaches the index once its cause is mended, in order, and nothing is lost on the way."""

from types import SimpleNamespace

import orjson
import pytest
from builders import SECOND, Indexer, change_record, order, sequence_number, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from kinesis_builders import MICROSECOND, envelope, kinesis_change, kinesis_record
from replay_builders import DAY, PARKED_AT, REFUSED, Death, Post, Racing, parked_batch

from tailrace.decoding import decode_event
from tailrace.failures import DeadLetterStoreError
from tailrace.outcomes import Outcome
from tailrace.replays import End
from tailrace.selections import Selection


def letters_of(*records, **spec):
    """A post whose engine has refused every one of the records, and takes them from now on."""
    post = Post(tables=tables(**spec))
    post.refuse(*(f"o-{number}" for number in range(1, 10)))
    post.index(*records)
    post.mend()
    return post


def in_table(post, *items):
    post.items.tables["orders"] = list(items)
    return post


def stored(post, id_="o-1", alias="orders"):
    return orjson.loads(post.engine.documents[alias, id_])


# -- a letter reaches the index -------------------------------------------------------------------------------------


def test_a_letter_is_indexed_and_gone_once_its_cause_is_mended():
    post = in_table(letters_of(change_record()), order())

    report = post.replay()

    assert (report.count("letter", End.SETTLED), report.is_clean) == (1, True)
    assert (post.held(), stored(post)["total"]) == ([], 12.5)


CHANGED = {"new": order(total={"N": "7"}), "old": order()}
PAIRS = {
    "streams": (change_record(), change_record("MODIFY", **CHANGED, sequence=5)),
    "streams remove": (change_record(), change_record("REMOVE", sequence=5)),
    "kinesis": (kinesis_change(), kinesis_change("MODIFY", **CHANGED, position=5, at=MICROSECOND + 1)),
    "replicator": (change_record(), kinesis_record(envelope(change_record("MODIFY", **CHANGED, sequence=5)))),
}


@pytest.mark.parametrize(("before", "wire"), PAIRS.values(), ids=PAIRS)
def test_failure_32_what_a_letter_holds_becomes_the_very_document_of_its_record(before, wire):
    direct, post = Indexer(), Post()
    direct.index(before)
    direct.index(wire)
    post.index(before)
    post.refuse("o-1")
    post.index(wire)
    post.mend()

    report = post.replay()

    assert (report.is_clean, post.held()) == (True, [])
    assert post.engine.documents["orders", "o-1"] == as_replayed(direct.engine.documents["orders", "o-1"], wire)


def as_replayed(document, wire):
    """The same bytes but for the way they came by."""
    [record] = decode_event({"Records": [wire]})
    return document.replace(f'"source":"{record.source}"'.encode(), b'"source":"replay"')


def test_failure_32_a_letter_is_read_back_as_the_record_that_it_was():
    wire = change_record(new=order(text={"S": "\ud800 \x00 größe"}, half={"N": "0.10"}, blob={"B": "AAE="}))
    post = letters_of(wire)

    assert post.read()[0]["record"] == wire


def test_what_the_index_does_not_know_is_what_the_table_says_now():
    post = in_table(letters_of(change_record()), order(total={"N": "99"}))

    assert post.replay().outcomes == {"indexed": 1}

    assert stored(post)["total"] == 99
    assert "seq" not in stored(post)["ddb"]


def test_failure_52_an_old_letter_reaches_the_index_of_its_type_and_day_does_not_matter():
    old = change_record(new=order(status={"S": "NEW"}), second=SECOND - 3 * DAY)
    post = in_table(letters_of(old, type_attribute="status"), order(status={"S": "NEW"}))

    post.replay()

    assert post.engine.visible("orders-new").keys() == {"o-1"}


# -- a replay never writes blindly ------------------------------------------------------------------------------------


def test_a_replay_three_days_late_over_newer_data_changes_nothing():
    post = letters_of(change_record(sequence=1), change_record(new=order("o-2"), sequence=2))
    post.clock.seconds += 3 * DAY
    later = {"second": SECOND + 3 * DAY}
    post.index(change_record("MODIFY", new=order(total={"N": "9"}), old=order(), sequence=11, **later))
    post.index(change_record("REMOVE", old=order("o-2"), sequence=12, **later))
    before = dict(post.engine.documents)

    report = post.replay()

    assert report.outcomes == {"stale": 2}
    assert (post.engine.documents, post.held()) == (before, [])


def test_an_older_letter_that_a_replay_meets_in_the_same_second_is_settled_by_sequence_number():
    post = letters_of(change_record(sequence=2))
    post.index(change_record("MODIFY", new=order(total={"N": "9"}), old=order(), sequence=3))

    assert post.replay().outcomes == {"stale": 1}
    assert stored(post)["total"] == 9


def test_a_clock_that_went_back_does_not_let_an_old_letter_win():
    post = letters_of(change_record(sequence=1, second=SECOND + 60))
    post.index(change_record("MODIFY", new=order(total={"N": "9"}), old=order(), sequence=2, second=SECOND))

    assert post.replay().outcomes == {"stale": 1}
    assert stored(post)["total"] == 9


@pytest.mark.parametrize("deletes", ["soft", "hard"])
def test_failures_2_78_a_letter_older_than_the_swept_tombstone_does_not_bring_its_item_back(deletes):
    post = letters_of(change_record(), deletes=deletes)
    post.clock.seconds += 20 * DAY
    assert post.engine.documents == {}  # the tombstone is swept, or there never was one: nothing would refuse the write

    report = post.replay()

    assert (report.outcomes, post.engine.documents) == ({"stale": 1}, {})


def test_a_letter_of_a_removal_leaves_a_tombstone_where_nothing_is():
    post = letters_of(change_record("REMOVE"))

    assert post.replay().outcomes == {"deleted": 1}
    assert stored(post)["ddb"]["deleted"] is True


def test_a_removal_after_which_the_item_was_written_again_does_not_remove_it():
    post = in_table(letters_of(change_record("REMOVE")), order(total={"N": "3"}))

    assert post.replay().outcomes == {"indexed": 1}
    assert stored(post)["total"] == 3


def test_letters_of_one_item_end_as_the_newest_whatever_their_order():
    post = Post()
    post.refuse("o-1")
    for sequence in (3, 1, 2):
        post.index(change_record("MODIFY", new=order(total={"N": str(sequence)}), old=order(), sequence=sequence))
    post.mend()
    in_table(post, order(total={"N": "3"}))

    post.replay()

    assert (stored(post)["total"], post.held()) == (3, [])


def test_a_table_that_does_not_answer_leaves_the_letter_as_it_is():
    post = letters_of(change_record())
    before = dict(post.letters.letters)
    post.items.is_down = True

    report = post.replay()

    assert (report.count("letter", End.FAILED), report.is_clean) == (1, False)
    assert post.letters.letters == before


# -- running twice, at once, and killed -----------------------------------------------------------------------------


def test_a_second_replay_finds_nothing_to_do():
    post = in_table(letters_of(change_record()), order())
    post.replay()
    before = dict(post.engine.documents)

    report = post.replay()

    assert (report.lines, report.is_clean, post.engine.documents) == ({}, True, before)


def test_a_letter_that_another_replay_took_meanwhile_is_no_trouble():
    post = in_table(letters_of(change_record()), order())

    report = post.replay(box=Racing(post.letters, post.replay))

    assert (report.is_clean, report.lines, post.held()) == (True, {}, [])
    assert stored(post)["total"] == 12.5


def test_two_replays_that_read_the_same_letters_write_them_once():
    post = in_table(letters_of(change_record()), order())
    held = dict(post.letters.letters)
    post.replay()
    post.letters.letters |= held  # as the other one has read them
    before = dict(post.engine.documents)

    report = post.replay()

    assert (report.is_clean, post.engine.documents, post.held()) == (True, before, [])


def test_a_letter_that_a_redelivery_writes_again_meanwhile_is_the_same_record():
    post = in_table(letters_of(change_record()), order())
    again = dict(post.letters.letters)

    report = post.replay(box=Racing(post.letters, lambda: post.letters.letters.update(again)))

    assert (report.is_clean, post.held()) == (True, [])


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("due", range(1, 19))
def test_a_replay_killed_at_any_call_loses_nothing_and_is_repeated(due, is_after):
    wires = [change_record(new=order(f"o-{n}"), sequence=n) for n in range(1, 4)]
    post = in_table(letters_of(*wires), *(order(f"o-{n}") for n in range(1, 6)))
    post.park(change_record(new=order("o-4"), sequence=4), change_record(new=order("o-5"), sequence=5))
    post.refuse("o-2", "o-5")

    assert post.replay_until(Death(due, is_after))

    assert held_ids(post) | post.engine.visible("orders").keys() == {"o-1", "o-2", "o-3", "o-4", "o-5"}
    post.mend()
    post.replay()
    assert post.replay().is_clean
    assert (post.held(), len(post.engine.visible("orders"))) == ([], 5)


def held_ids(post):
    """The ids of the items whose records lie in the box."""
    bodies = map(orjson.loads, post.letters.letters.values())
    wires = [wire for body in bodies for wire in ([body["record"]] if "record" in body else batch_of(body))]
    return {wire["dynamodb"]["Keys"]["id"]["S"] for wire in wires}


def batch_of(body):
    return orjson.loads(body["payload"])["Records"]


# -- hops -------------------------------------------------------------------------------------------------------------


def test_a_letter_that_fails_again_is_the_same_letter_with_one_hop_more():
    post = in_table(letters_of(change_record()), order())
    [key], [before] = post.held(), post.read()
    post.refuse("o-1")
    post.clock.seconds += 60

    report = post.replay()

    [letter] = post.read()
    assert (report.count("letter", End.AGAIN), report.is_clean, post.held()) == (1, False, [key])
    assert (letter["hops"], letter["attempts"], letter["replayed_at"]) == (1, 2, "2025-11-21T12:01:00.000+00:00")
    assert letter == before | {name: letter[name] for name in ("hops", "attempts", "replayed_at")}


def test_a_letter_without_prospects_is_parked_at_the_hop_limit():
    post = in_table(letters_of(change_record()), order())
    [key] = post.held()
    post.refuse("o-1")

    ends = [post.replay(max_hops=3).as_counts()["letters"] for _ in range(4)]

    assert [(each["again"], each["parked"]) for each in ends] == [(1, 0), (1, 0), (0, 1), (0, 0)]
    assert post.held() == [key.replace("dead-letters/", "parked/")]
    assert (post.read()[0]["hops"], post.read()[0]["attempts"]) == (3, 4)


def test_a_parked_letter_is_replayed_when_asked_for_and_stays_parked_when_it_fails():
    post = in_table(letters_of(change_record()), order())
    post.refuse("o-1")
    post.replay(max_hops=1)
    [key] = post.held()

    assert post.replay(max_hops=1, parked=True).count("letter", End.AGAIN) == 1
    assert (post.held(), post.read()[0]["hops"]) == ([key], 2)
    post.mend()
    assert post.replay(parked=True).is_clean
    assert (post.held(), stored(post)["total"]) == ([], 12.5)


def test_an_outage_costs_no_hop():
    post = in_table(letters_of(change_record()), order())
    before = dict(post.letters.letters)
    post.engine.outage = 503

    report = post.replay()

    assert (report.count("letter", End.FAILED), report.is_finished) == (1, False)
    assert post.letters.letters == before


def test_a_letter_box_that_takes_nothing_back_leaves_what_is_there():
    post = in_table(letters_of(change_record()), order())
    before = dict(post.letters.letters)
    post.refuse("o-1")

    report = post.replay(box=NothingIn(post.letters))

    assert (report.count("letter", End.FAILED), post.letters.letters) == (1, before)


class NothingIn:
    """A letter box that may be read and not written to."""

    def __init__(self, box):
        self.list, self.read, self.delete = box.list, box.read, box.delete

    def put(self, key, body):
        raise DeadLetterStoreError("no")


def test_an_undecodable_letter_keeps_its_key_on_whatever_day_it_is_replayed():
    post = Post()
    post.index({"eventSource": "aws:sqs"})
    [key] = post.held()
    post.clock.seconds += 5 * DAY

    post.replay()

    assert (post.held(), post.read()[0]["hops"]) == ([key], 1)


def test_an_undecodable_letter_is_read_by_code_that_has_learnt_since():
    post = in_table(Post(), order())
    post.index(change_record(eventName="UPSERT"))
    [(key, body)] = post.letters.letters.items()
    assert post.read()[0]["reason"] == "undecodable"
    post.letters.letters[key] = body.replace(b"UPSERT", b"INSERT")  # stands for a decoder that knows UPSERT

    assert post.replay().outcomes == {"indexed": 1}
    assert post.held() == []


# -- what the engine cannot take now ----------------------------------------------------------------------------------


def test_a_replay_stops_where_the_engine_takes_nothing(monkeypatch):
    monkeypatch.setattr("tailrace.replaying.OBJECTS_AT_ONCE", 2)
    post = letters_of(*(change_record(new=order(f"o-{n}"), sequence=n) for n in range(1, 7)))
    post.engine.outage = 403

    report = post.replay()

    assert (report.outcomes, report.is_finished) == ({"failed": 2}, False)


def test_a_table_that_is_gone_does_not_stop_the_replay_of_another(monkeypatch):
    monkeypatch.setattr("tailrace.replaying.OBJECTS_AT_ONCE", 1)
    post = letters_of(*(change_record(new=order(f"o-{n}"), sequence=n) for n in range(1, 4)))
    post.items.is_down = True

    report = post.replay()

    assert (report.outcomes, report.is_finished) == ({"failed": 3}, True)


def test_a_replay_ends_at_its_deadline_and_the_rest_waits(monkeypatch):
    monkeypatch.setattr("tailrace.replaying.OBJECTS_AT_ONCE", 1)
    post = in_table(letters_of(*(change_record(new=order(f"o-{n}"), sequence=n) for n in range(1, 4))))
    post.items = Slow(post.clock)

    report = post.replay(seconds=15)

    assert (report.count("letter", End.SETTLED), report.is_finished, len(post.held())) == (1, False, 2)


class Slow:
    """A table whose every read takes its time and finds an item."""

    def __init__(self, clock, seconds=10):
        self.clock, self.seconds = clock, seconds

    def read(self, table, keys):
        self.clock.seconds += self.seconds
        return order(keys["id"]["S"])


def test_a_table_far_away_gets_its_time():
    post = in_table(letters_of(*(change_record(new=order(f"o-{n}"), sequence=n) for n in range(1, 10))))
    post.items = Slow(post.clock, seconds=7)  # nine reads take 63 seconds: a part of 60 would never be done

    assert post.replay().outcomes == {"indexed": 9}


def test_memory_is_bounded_by_objects_and_bytes_at_once(monkeypatch):
    monkeypatch.setattr("tailrace.replaying.OBJECTS_AT_ONCE", 4)
    monkeypatch.setattr("tailrace.replaying.BYTES_AT_ONCE", 2_500)
    post = Post()
    for number in range(1, 11):
        post.letters.letters[f"dead-letters/orders/{number:02d}"] = b" " * (100 if number < 6 else 1_000)
    sizes = []
    read = post.letters.read

    replayer = post.replayer(
        box=SimpleNamespace(list=post.letters.list, read=lambda keys: sizes.append(len(keys)) or read(keys))
    )
    replayer.replay(Selection(), post.clock.now() + 60)

    assert sizes == [4, 3, 2, 1]


# -- parked batches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_text", [True, False], ids=["text", "object"])
def test_a_parked_batch_is_indexed_and_gone(as_text):
    post = in_table(Post(), order("o-1"), order("o-2"))
    records = [change_record(new=order("o-1"), sequence=1), change_record(new=order("o-2"), sequence=2)]
    post.park(*records, payload=None if as_text else {"Records": records})

    report = post.replay(letters=False)

    assert (report.count("batch", End.SETTLED), report.is_clean, post.held()) == (1, True, [])
    assert post.engine.visible("orders").keys() == {"o-1", "o-2"}


def test_a_refused_record_of_a_parked_batch_becomes_a_letter_of_its_own_source():
    post = in_table(Post(), order("o-1"), order("o-2"))
    post.park(change_record(new=order("o-1"), sequence=1), change_record(new=order("o-2"), sequence=2))
    post.refuse("o-2")

    report = post.replay()

    [letter] = post.read()
    assert (report.outcomes, report.is_clean) == ({"indexed": 1, "dead_lettered": 1}, False)
    assert (letter["source"]["kind"], letter["hops"], post.held()[0][:21]) == ("streams", 0, "dead-letters/orders/2")


def test_a_parked_batch_stays_until_each_of_its_records_is_settled():
    post = Post()
    key = post.park(change_record(), change_record("REMOVE", old=order("o-2"), sequence=2))
    post.items.is_down = True

    assert post.replay().count("batch", End.FAILED) == 1
    assert post.held() == [key]


def test_a_batch_of_names_alone_is_named_and_stays():
    post = Post()
    key = post.park(change_record(), payload=None)
    named = parked_batch()
    del named["payload"]
    post.letters.letters[key] = orjson.dumps(named)

    report = post.replay()

    assert report.unreadable[0].why == (
        "it names records and holds none (arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/"
        "2026-11-21T12:51:11.612, shardId-01, 111000000000000000000001 to 111000000000000000000002): "
        "`tailrace verify --repair` writes their items"
    )
    assert (report.is_clean, post.held()) == (False, [key])


# -- what is not ours -------------------------------------------------------------------------------------------------

SENTENCES = {
    b"": "it is not JSON",
    b"\xff\xfe\x00": "it is not JSON",
    b"[" * 100_000: "it is not JSON",
    b"[]": "it is JSON, but no object",
    b"{}": "it is no dead letter of format 1, the one that this version reads",
    b'{"format":2,"record":{}}': "it is no dead letter of format 1, the one that this version reads",
    b'{"format":1,"record":{},"id":7}': "its `id` is not a text",
    b'{"format":1,"record":0,"id":"","table":"","reason":"","attempts":true}': "its `attempts` is not a whole number",
}


@pytest.mark.parametrize(("body", "why"), SENTENCES.items(), ids=range(len(SENTENCES)))
def test_what_is_no_letter_is_named_and_left(body, why):
    post = in_table(letters_of(change_record()), order())
    post.letters.letters["dead-letters/orders/notes.txt"] = body

    report = post.replay()

    assert (report.unreadable, report.count("letter", End.SETTLED)) == ((("dead-letters/orders/notes.txt", why),), 1)
    assert (report.is_clean, post.held()) == (False, ["dead-letters/orders/notes.txt"])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"payload":"[]"}', "it is JSON, but no object"),
        (b'{"payload":7}', "its `payload` is neither an event nor the text of one"),
        (b'{"payload":{}}', "the event has no list `Records`: is it a stream event?"),
        (b'{"payload":"{\\"Records\\":7}"}', "the event's `Records` is not a list: is it a stream event?"),
        (
            b"{}",
            "it names records and holds none (and does not say which): `tailrace verify --repair` writes their items",
        ),
    ],
)
def test_what_is_no_parked_batch_is_named_and_left(body, why):
    post = Post()
    post.letters.letters[PARKED_AT + "x"] = body

    assert post.replay().unreadable == ((PARKED_AT + "x", why),)
    assert post.held() == [PARKED_AT + "x"]


def test_a_folder_made_by_hand_is_no_letter():
    post = Post()
    post.letters.letters["dead-letters/"] = b""

    assert (post.replay().is_clean, post.held()) == (True, ["dead-letters/"])


# -- selections -------------------------------------------------------------------------------------------------------


def test_only_what_is_selected_is_touched():
    post = in_table(letters_of(change_record()), order())
    post.index(change_record(new=order("o-2", total={"N": "x"}), sequence=2))
    post.park(change_record(new=order("o-3"), sequence=3))
    everything = post.held()

    for nothing in (
        {"table": "planes"}, {"reason": "other"}, {"since": SECOND + 1}, {"until": SECOND},
        {"letters": False, "batches": False}, {"parked": True, "batches": False},
    ):  # fmt: skip
        assert (post.replay(**nothing).lines, post.held()) == ({}, everything)
    assert post.replay(reason="illegal_item").outcomes == {"deleted": 1}  # by now the table has no such item
    assert post.replay(table="orders", reason="refused_exception", since=SECOND, until=SECOND + 1).is_clean
    assert len(post.held()) == 1
    assert post.replay(reason="RetryAttemptsExhausted").count("batch", End.SETTLED) == 1


def test_a_dry_run_says_what_would_happen_and_does_nothing():
    post = letters_of(change_record())
    post.index(change_record(new=order("o-2", total={"N": "x"}), sequence=2), {"eventSource": "aws:sqs"})
    post.park(change_record(new=order("o-3"), sequence=3))
    before, documents = dict(post.letters.letters), dict(post.engine.documents)
    calls = Death(due=99)

    report = post.replayer(1, *map(calls.mortal, (post.letters, post.engine, post.items))).forecast(Selection())

    assert report.as_counts() == {
        "letters": {"ready": 1, "refused": 0, "to park": 2},
        "batches": {"ready": 1, "refused": 0},
        "outcomes": {},
        "unreadable": 0,
        "is_finished": True,
    }
    assert (post.letters.letters, post.engine.documents) == (before, documents)


# -- laws over all histories ------------------------------------------------------------------------------------------

CHANGES = st.lists(
    st.tuples(st.sampled_from(["INSERT", "MODIFY", "REMOVE"]), st.integers(1, 3), st.booleans()), max_size=12
)


def history_of(changes):
    """Change records in the order of their sequence numbers, several of each item and of each second."""
    return [
        change_record(
            op,
            new=None if op == "REMOVE" else order(f"o-{n}", total={"N": str(sequence)}),
            old=order(f"o-{n}"),
            sequence=sequence,
            second=SECOND + sequence // 4,
        )
        for sequence, (op, n, _) in enumerate(changes, 1)
    ]


def table_after(wires):
    """What the table holds after these changes, by id."""
    items = {wire["dynamodb"]["Keys"]["id"]["S"]: wire["dynamodb"].get("NewImage") for wire in wires}
    return {id_: item for id_, item in items.items() if item is not None}


@settings(max_examples=80, deadline=None)
@given(CHANGES, st.sampled_from(["soft", "hard"]))
def test_failure_31_letters_are_exactly_the_records_that_were_not_indexed(changes, deletes):
    post, wires = Post(tables=tables(deletes=deletes)), history_of(changes)
    refused = {sequence_number(sequence) for sequence, (_, _, is_bad) in enumerate(changes, 1) if is_bad}
    post.engine.refuse = refuse_all(refused)

    report = post.index(*wires)

    expected = [wire for wire, outcome in zip(wires, report.outcomes, strict=True) if outcome is Outcome.DEAD_LETTERED]
    assert sorted(map(orjson.dumps, expected)) == sorted(orjson.dumps(letter["record"]) for letter in post.read())


@settings(max_examples=80, deadline=None)
@given(CHANGES, st.sampled_from(["soft", "hard"]), st.integers(1, 4), st.booleans())
def test_after_the_replay_of_all_letters_the_index_is_what_the_table_is(changes, deletes, size, is_swept):
    post, wires = Post(tables=tables(deletes=deletes)), history_of(changes)
    post.engine.refuse = refuse_all({sequence_number(n) for n, (_, _, is_bad) in enumerate(changes, 1) if is_bad})
    table = table_after(wires)
    in_table(post, *table.values())
    for start in range(0, len(wires), size):
        post.index(*wires[start : start + size])
    post.mend()
    if is_swept:
        sweep(post)
    post.clock.seconds += 20 * DAY

    report = post.replay()

    found = {id_: document["total"] for id_, document in post.engine.visible("orders").items()}
    assert found == {id_: int(item["total"]["N"]) for id_, item in table.items()}
    assert (report.is_clean, post.held()) == (True, [])


def refuse_all(sequence_numbers):
    """An engine that refuses the documents of these changes."""

    def refuse(alias, id_, source):
        is_bad = source is not None and orjson.loads(source)["ddb"].get("seq") in sequence_numbers
        return REFUSED if is_bad else None

    return refuse


def sweep(post):
    """Every tombstone is physically gone, and the engine has forgotten its version."""
    for document, source in list(post.engine.documents.items()):
        if orjson.loads(source)["ddb"].get("deleted"):
            del post.engine.documents[document], post.engine.versions[document]
