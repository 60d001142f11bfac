"""Law 4 on a real engine: numbers and odd items come back digit for digit, and the same by every path (law 3)."""

import json
from decimal import Decimal

import pytest
from corpus.items import COUNT as ITEM_COUNT
from corpus.items import expected_id, odd_items, plain
from corpus.numbers import COUNT as NUMBER_COUNT
from corpus.numbers import canonical, number_corpus, spell
from corpus.paths import PATHS, CorpusTable

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]

NUMBERS_PER_ITEM = 40
ODD_SPEC = {"key": ["pk", "sk"], "fields": {"anything": {"type": "flat"}}}


def carry(opensearch, corner, name, spec, images_of_path):
    """The images by every path, each into a table of its own; the outcomes, and the tables by path."""
    tables = {path: CorpusTable(opensearch, f"{corner}{path}-", name, spec) for path in PATHS}
    counts = {path: table.index(PATHS[path](table, images_of_path(path))) for path, table in tables.items()}
    return counts, tables


def numbered_items(how):
    """Items keyed by one number and holding 40, in one of four spellings."""
    texts = number_corpus()
    rows = [texts[start : start + NUMBERS_PER_ITEM] for start in range(0, len(texts), NUMBERS_PER_ITEM)]
    return [{"id": {"N": spell(row[0], how)}} | numbered_attributes(row, how) for row in rows]


def numbered_attributes(row, how):
    return {f"n{place:02d}": {"N": spell(text, how + place)} for place, text in enumerate(row)}


def indexed_on_all_paths(count):
    return {path: {"indexed": count} for path in PATHS}


def test_failures_11_12_13_15_every_number_survives_digit_for_digit_by_every_path(opensearch, corner):
    spellings = {"streams": 0, "kinesis": 1, "replicator": 2, "scan": 3}

    counts, tables = carry(opensearch, corner, "sums", {"key": ["id"]}, lambda path: numbered_items(spellings[path]))

    texts = number_corpus()
    assert len(set(texts)) == NUMBER_COUNT >= 10_000
    assert counts == indexed_on_all_paths(NUMBER_COUNT // NUMBERS_PER_ITEM)
    assert [table.changed_by_the_engine() for table in tables.values()] == [[], [], [], []]
    by_path = [table.canonical_items() for table in tables.values()]
    assert by_path[0] == by_path[1] == by_path[2] == by_path[3]
    digits = [
        pair for source in by_path[0].values() for pair in json.loads(source, parse_int=str, parse_float=str).items()
    ]
    assert sorted(text for name, text in digits if name != "id") == sorted(texts)
    assert {text for name, text in digits if name == "id"} == set(by_path[0])


def test_failures_6_9_50_every_odd_item_survives_by_every_path_under_the_same_id(opensearch, corner):
    images = odd_items()

    counts, tables = carry(opensearch, corner, "odds", ODD_SPEC, lambda _: images)

    assert len(images) == ITEM_COUNT >= 1_000
    assert counts == indexed_on_all_paths(ITEM_COUNT)
    assert [table.changed_by_the_engine() for table in tables.values()] == [[], [], [], []]
    by_path = [table.canonical_items() for table in tables.values()]
    assert by_path[0] == by_path[1] == by_path[2] == by_path[3]
    found = {id_: json.loads(source, parse_float=Decimal, parse_int=Decimal) for id_, source in by_path[0].items()}
    assert found == {expected_id(image): plain(image) for image in images}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1702062202420", "1702062202420"),
        ("1.70206220242E+12", "1702062202420"),
        ("1.50", "1.5"),
        ("-0.0", "0"),
        ("9007199254740993", "9007199254740993"),
    ],
)
def test_failure_11_the_oracle_of_the_corpus_spells_numbers_without_exponent(text, expected):
    assert canonical(text) == expected


@pytest.mark.parametrize("how", [0, 1, 2, 3])
def test_the_spellings_of_the_corpus_are_of_the_same_number(how):
    texts = number_corpus()[:2_000]

    assert [Decimal(spell(text, how)) for text in texts] == [Decimal(text) for text in texts]
