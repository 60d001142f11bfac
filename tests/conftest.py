"""One real engine for the whole run, and a fresh corner of it for each test."""

import itertools
import os
import signal

import pytest
import requests
from hypothesis import settings

from tailrace.adapters.opensearch import OpenSearchEngine

pytest_plugins = ["leak_scan"]
settings.register_profile("steady", deadline=None)  # the time of an example tells of the machine, not of the code
settings.load_profile("steady")
_corners = itertools.count(1)


def pytest_configure():
    """A run in the background inherits an ignored Ctrl-C and would hand it on to every command under test."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def engine_url():
    """A real OpenSearch that lives as long as the test run: its own, or the one of TAILRACE_OPENSEARCH_URL.

    Its own has the version that TAILRACE_ENGINE names. Of one run with 2.19.4, `-m both_engines` is the chosen part.
    """
    from tailrace_local.engine import Engine
    from tailrace_local.external_engine import ExternalEngine

    given = os.environ.get("TAILRACE_OPENSEARCH_URL")
    if given:
        yield ExternalEngine(given).url
        return
    with Engine() as engine:
        yield engine.url


@pytest.fixture
def opensearch(engine_url):
    """The adapter on the real engine."""
    with requests.Session() as session:
        yield OpenSearchEngine(engine_url, session=session)


@pytest.fixture
def corner(opensearch):
    """A prefix for index names that no other test has; what was created under it is deleted afterwards."""
    prefix = f"t{os.getpid()}x{next(_corners)}-"
    yield prefix
    names = [row["index"] for row in _rows(opensearch, prefix)]
    for name in names:
        opensearch.request("DELETE", f"/{name}")


def _rows(opensearch, prefix):
    answer = requests.get(f"{opensearch.url}/_cat/indices/{prefix}*?format=json&expand_wildcards=all", timeout=10)
    return answer.json()
