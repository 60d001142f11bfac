"""Loading: pages are read beside the wire, in their order, and none is so large that it fills the memory."""

import threading

import pytest
from export_builders import TABLE_ARN, MemoryExports

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.export_slices import BYTES_PER_PAGE, ExportRequests, ExportSource
from tailrace.exports import ExportError
from tailrace.jobs import Job
from tailrace.loading import Page, read_ahead
from tailrace.sides import TableShape
from tailrace_local.export_writing import write_full_export


def page(number, is_last=False):
    return Page([], number, is_last)


def test_the_next_page_is_read_while_the_one_before_is_on_the_wire():
    is_read = threading.Event()

    def pages():
        yield page(1)
        is_read.set()
        yield page(2, is_last=True)

    ahead = read_ahead(pages())

    assert next(ahead).position == 1
    assert is_read.wait(10)
    assert [each.position for each in ahead] == [2]


def test_a_source_that_fails_is_told_after_the_pages_before_it():
    def pages():
        yield page(1)
        raise ExportError("the file is cut off")

    ahead = read_ahead(pages())

    assert next(ahead).position == 1
    with pytest.raises(ExportError, match="the file is cut off"):
        next(ahead)


def test_a_load_that_is_stopped_reads_one_page_further_at_most():
    read = []

    def pages():
        for number in range(100):
            read.append(number)
            yield page(number)

    ahead = read_ahead(pages())
    next(ahead)
    ahead.close()

    assert read in ([0], [0, 1])
    assert threading.active_count() == 1


def test_failure_47_a_page_of_large_items_is_short():
    store = MemoryExports()
    items = [{"id": {"S": f"o-{number}"}, "note": {"S": "x" * 390_000}} for number in range(10)]
    write_full_export(store.target(files=1), items, 1_763_726_400.0)
    shape, clock = TableShape("orders", {"id": "S"}), SystemClock()
    source = ExportSource(store, ExportRequests(None, TABLE_ARN, "own", "own", clock), shape, clock, is_chained=False)
    [part] = source.slices(Job("job", "orders", "export", "", 0.0, exports=("s3://exports/daily/AWSDynamoDB/"
                                                                           "01763726400000-0000aaaa",)))  # fmt: skip

    sizes = [len(each.records) for each in part.pages(None)]

    assert BYTES_PER_PAGE == 1_048_576
    assert sizes == [3, 3, 3, 1]
