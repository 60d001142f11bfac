"""Sampling beside a reader: the reader gets everything, the sample is keys alone, and it repeats."""

from dataclasses import dataclass
from random import Random

from tailrace.sides import TableShape
from tailrace_local.demo.sampling import SampledTable

ITEMS = [{"id": {"S": f"{number:03}"}, "total": {"N": str(number)}} for number in range(300)]


@dataclass
class PagedTable:
    """A table of two pages."""

    first: list
    second: list

    def shape(self):
        return TableShape("orders", {"id": "S"})

    def pages(self):
        yield self.first
        yield self.second

    def read(self, keys):
        return [{"read": key} for key in keys]


def sampled(items=ITEMS, most=5, seed=1):
    return SampledTable(PagedTable(items[:200], items[200:]), Random(seed), most)


def read_to_the_end(table):
    return [item for page in table.pages() for item in page]


def test_the_reader_gets_every_page_as_it_is():
    table = sampled()

    assert list(table.pages()) == [ITEMS[:200], ITEMS[200:]]
    assert (table.shape().name, table.read(["k"])) == ("orders", [{"read": "k"}])


def test_a_sample_is_different_keys_of_the_table_and_repeats():
    one, other = sampled(), sampled()
    read_to_the_end(one)
    read_to_the_end(other)

    assert len({key["id"]["S"] for key in one.keys}) == 5
    assert [list(key) for key in one.keys] == [["id"]] * 5
    assert one.keys == other.keys


def test_a_small_table_is_its_own_sample():
    table = sampled(ITEMS[:3])
    read_to_the_end(table)

    assert table.keys == [{"id": {"S": "000"}}, {"id": {"S": "001"}}, {"id": {"S": "002"}}]


def test_every_item_has_the_same_chance():
    samples = [sampled(seed=seed) for seed in range(300)]
    for table in samples:
        read_to_the_end(table)

    late = [key for table in samples for key in table.keys if key["id"]["S"] >= "200"]
    assert 400 < len(late) < 600  # a third of 1,500
