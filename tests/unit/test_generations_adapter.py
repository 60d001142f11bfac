"""Generations in OpenSearch: what makes one searchable, whatever its shards do."""

import pytest

from tailrace.adapters.generations import OpenSearchGenerations
from tailrace.failures import EngineError

REFRESH = ("POST", "/orders%40000002,orders%40000003/_refresh")
SEARCH = (
    "POST",
    "/orders%40000002,orders%40000003/_search?size=0&allow_partial_search_results=false&filter_path=_shards",
)
REFRESHED = {"_shards": {"total": 2, "successful": 2, "failed": 0}}
BOTH = ["orders@000002", "orders@000003"]


class ToldEngine:
    """Answers what it is told, one answer after the other, and raises those that are errors."""

    def __init__(self, *answers, is_serverless=False):
        self.answers, self.asked, self.is_serverless = list(answers), [], is_serverless

    def request(self, method, path, body=None, timeout=30.0):
        self.asked.append((method, path))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_generations_are_refreshed_and_then_searched_whole():
    engine = ToldEngine(REFRESHED, {})

    OpenSearchGenerations(engine).make_searchable(BOTH)

    assert engine.asked == [REFRESH, SEARCH]


def test_a_shard_that_was_not_refreshed_is_an_error_though_the_engine_answers_200():
    refused = {"_shards": {"total": 2, "successful": 1, "failed": 1}}

    with pytest.raises(EngineError, match="1 shards of orders@000002,orders@000003 are not refreshed"):
        OpenSearchGenerations(ToldEngine(refused)).make_searchable(BOTH)


def test_a_primary_shard_that_is_missing_is_an_error_though_the_refresh_counts_no_failure():
    silent = {"_shards": {"total": 2, "successful": 1, "failed": 0}}
    engine = ToldEngine(silent, EngineError(503, "all shards failed", "search_phase_execution_exception"))

    with pytest.raises(EngineError, match="all shards failed"):
        OpenSearchGenerations(engine).make_searchable(BOTH)


def test_nothing_is_asked_of_a_collection_or_about_no_generation():
    collection, engine = ToldEngine(is_serverless=True), ToldEngine()

    OpenSearchGenerations(collection).make_searchable(BOTH)
    OpenSearchGenerations(engine).make_searchable([])

    assert (collection.asked, engine.asked) == ([], [])
