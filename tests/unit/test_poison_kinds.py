"""The corpus of poison: more than 200 kinds, each told apart, each with its end; most of them on the twin as well."""

import pytest
from builders import Indexer, change_record, event, order
from poison.harmless import harmless_kinds
from poison.kinds import Indexed, Letter, poison_tables
from poison.kinesis_wires import kinesis_kinds
from poison.mixing import batches, good_entry, mixture, poison_kinds
from poison.values import value_kinds
from poison.wires import wire_kinds

from tailrace.adapters.memory import MemoryItems
from tailrace.deadletters import History
from tailrace.decoding import decode_event
from tailrace.pipeline import Pipeline

BY_THE_ENGINE = {"mapper_parsing_exception", "illegal_argument_exception"}
KINDS = poison_kinds()
BEFORE_THE_ENGINE = [
    kind for kind in (*wire_kinds(), *value_kinds(), *kinesis_kinds()) if kind.end.reason not in BY_THE_ENGINE
]
MENDED = [kind for kind in BEFORE_THE_ENGINE if kind.is_rewritten]
LOST = [kind for kind in BEFORE_THE_ENGINE if kind.mended is None and kind.name != "eventID: with a lone surrogate"]
NEVER_ASKED = None  # a table that is asked for an item raises
WORDS = {kind.end.reason for kind in KINDS if isinstance(kind.end, Letter)} - BY_THE_ENGINE


def name_of(kind):
    return kind.name.encode("ascii", "replace").decode()


def test_there_are_more_than_200_kinds_and_no_two_are_alike():
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 400
    assert sum(isinstance(kind.end, Letter) for kind in KINDS) >= 200
    assert sum(isinstance(kind.end, Indexed) for kind in KINDS) >= 70


def test_every_kind_of_poison_is_poison_and_everything_harmless_is_not():
    assert [kind.name for kind in KINDS if kind.end == Indexed()] == []
    assert {kind.end for kind in harmless_kinds()} == {Indexed()}


def test_every_reason_that_a_record_itself_can_have_is_there():
    assert sorted(WORDS) == [
        "illegal_action", "illegal_item", "illegal_version", "kpl_aggregated", "not_a_change", "not_base64", "not_json",
        "undecodable", "unknown_format", "unknown_source", "unknown_table", "view_type",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", BEFORE_THE_ENGINE, ids=name_of)
def test_failure_39_what_can_be_told_without_the_engine_is_one_dead_letter_between_two_documents(kind):
    indexer = Indexer(tables=poison_tables())

    report = indexer.index(
        change_record(new=order("before"), sequence=1),
        kind.make("poison", 2),
        change_record(new=order("after"), sequence=3),
    )

    assert [(problem.outcome, problem.reason) for problem in report.problems] == [("dead_lettered", kind.end.reason)]
    assert sorted(indexer.engine.visible("orders")) == ["after", "before"]
    assert len(indexer.letters.letters) == 1


def replayed(kind, items):
    """The outcomes of a replay of the kind's letter, where the table holds `items`."""
    indexer = Indexer(tables=poison_tables())
    pipeline = Pipeline(indexer.tables, indexer.engine, indexer.letters, MemoryItems(items), indexer.clock)
    records = decode_event(event(kind.make("poison", 2)))
    account = pipeline.process(records, indexer.clock.now() + 30, [History(1, 1)]).account.as_dict()
    return {name: count for name, count in account.items() if count and name != "records_in"}


@pytest.mark.parametrize("kind", MENDED, ids=name_of)
def test_failure_32_what_the_table_can_tell_is_indexed_by_a_replay_once_the_item_is_written_again(kind):
    assert replayed(kind, {kind.table: [order("poison")]}) == {"indexed": 1}


@pytest.mark.parametrize("kind", LOST, ids=name_of)
def test_failure_32_what_names_no_item_is_a_dead_letter_again_and_the_table_is_not_asked(kind):
    assert replayed(kind, NEVER_ASKED) == {"dead_lettered": 1}


def test_a_mixture_holds_each_kind_once_and_each_item_once():
    entries = mixture(100, KINDS, seed=1)
    items = [(entry.table, repr(entry.item["id"])) for entry in entries if entry.item is not None]

    assert len(entries) == 100 + len(KINDS)
    assert sorted(entry.kind for entry in entries if entry.kind != "good") == sorted(kind.name for kind in KINDS)
    assert len(set(items)) == len(items)
    assert [entry.table for entry in entries[:8]] == [good_entry(number, number).table for number in range(8)]
    assert [len(batch) for batch in batches(entries, 300)][:1] == [300]


def test_a_mixture_is_the_same_for_the_same_seed_and_another_for_another():
    order_of = [[entry.kind for entry in mixture(50, KINDS, seed)] for seed in (1, 1, 2)]

    assert order_of[0] == order_of[1]
    assert order_of[0] != order_of[2]
