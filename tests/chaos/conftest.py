"""The pipeline through the fault proxy, and faults that a test sets."""

import pytest
import requests
from builders import Indexer

from chaos.director import Director
from chaos.ports import HurriedClock
from chaos.proxy import FaultProxy
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.tables import load_tables


@pytest.fixture
def proxy(engine_url):
    """The fault proxy in front of the real engine."""
    with FaultProxy(engine_url) as running:
        yield running
        running.await_quiet()


@pytest.fixture
def indexer(proxy, corner):
    """The pipeline through the fault proxy. Waiting costs no time; what is no day in `born` is refused."""
    orders = {"key": ["id"], "on_type_conflict": "dead_letter", "fields": {"born": {"type": "date"}}}
    specs = load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": orders}})
    with requests.Session() as session:
        yield Indexer(tables=specs, engine=OpenSearchEngine(proxy.url, session=session), clock=HurriedClock(0))


@pytest.fixture
def disturb(proxy, engine_url, corner):
    """Sets the faults to come; their numbers count from here. Without any, nothing goes wrong any more."""
    directors = []

    def set_faults(*faults):
        for director in directors:
            director.stop()
        directors.append(Director(faults, engine_url, corner))
        proxy.interfere = directors[-1].interfere
        return directors[-1]

    yield set_faults
    set_faults()
