"""The garbage collector's pace."""

import gc

import pytest

from tailrace.adapters.collector import slow_down_collector


@pytest.fixture
def pace():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_the_collector_is_slower_and_still_on(pace):
    slow_down_collector()

    assert gc.isenabled()
    assert gc.get_threshold()[0] == 50_000
