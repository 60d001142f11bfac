"""The one chunker."""

from hypothesis import given
from hypothesis import strategies as st

from tailrace.chunking import chunk


@given(st.lists(st.integers(min_value=0, max_value=60)), st.integers(min_value=1, max_value=100), st.integers(1, 7))
def test_failure_67_no_chunk_exceeds_count_or_bytes_unless_one_thing_alone_does(sizes, max_bytes, max_count):
    chunks = list(chunk(enumerate(sizes), max_bytes, max_count))
    lengths = [[sizes[index] for index in taken] for taken in chunks]

    assert [index for taken in chunks for index in taken] == list(range(len(sizes)))
    assert all(1 <= len(taken) <= max_count for taken in chunks)
    assert all(sum(taken) <= max_bytes or len(taken) == 1 for taken in lengths)


def test_a_chunk_is_filled_to_the_last_byte():
    assert list(chunk([("a", 4), ("b", 6), ("c", 1)], max_bytes=10, max_count=5)) == [["a", "b"], ["c"]]
