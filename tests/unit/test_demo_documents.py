"""Reading the index: every digit, through aliases alone, and an error where the engine gives one."""

from dataclasses import dataclass, field

import pytest
import requests

from tailrace_local.demo.documents import Documents, ReadError, parse_exactly
from tailrace_local.demo.searches import SEARCHES, run_searches


@dataclass
class ScriptedSession:
    """Answers (status, body) in order, and keeps what it was asked."""

    answers: list
    asked: list = field(default_factory=list)
    trust_env: bool = True

    def request(self, method, url, json, timeout):
        self.asked.append((method, url.removeprefix("http://engine"), json))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, content = answer
        response._content = content.encode()
        return response


def documents(*answers):
    session = ScriptedSession(list(answers))
    return Documents("http://engine/", session), session


def hits(*found):
    texts = ",".join(f'{{"_id":"{id_}","_source":{source}}}' for id_, source in found)
    return 200, f'{{"hits":{{"hits":[{texts}]}}}}'


def test_numbers_are_read_as_their_digits():
    found = parse_exactly('{"a":12345678901234567890123456789012345678,"b":1.50,"c":1e400}')

    assert found == {"a": ("N", "12345678901234567890123456789012345678"), "b": ("N", "1.50"), "c": ("N", "1e400")}


def test_the_engine_is_never_asked_to_filter_a_source():
    reader, session = documents(hits(("1", '{"n":1.50}')))

    assert reader.read_some("planes-a=20b", ["1"]) == {"1": {"n": ("N", "1.50")}}
    assert [path for _, path, _ in session.asked] == ["/planes-a%3D20b/_search"]
    assert not [body for _, path, body in session.asked if "_source" in (body or {}) or "filter_path" in path]


def test_read_aliases_leave_out_generations_under_construction():
    reader, _ = documents(
        (200, '{"a@000001":{"aliases":{"a":{}}},"a@000002":{"aliases":{"a@next":{}}},"b":{"aliases":{}}}')
    )

    assert reader.read_aliases() == ["a"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((404, "{}"), "OpenSearch answered 404 to POST /flights/_search"),
        (requests.ConnectionError("refused"), "OpenSearch did not answer: ConnectionError"),
    ],
)
def test_an_error_of_the_engine_is_an_error(answer, text):
    reader, _ = documents(answer)

    with pytest.raises(ReadError, match=f"^{text}$"):
        reader.find_ids("flights", ["1"])


def test_every_search_shows_something_even_of_an_empty_index():
    nothing = '{"hits":{"hits":[]},"aggregations":{"carriers":{"buckets":[]},"indices":{"buckets":[]}}}'
    reader, _ = documents(*[(200, nothing)] * len(SEARCHES))

    assert [result.rows for result in run_searches(reader)] == [()] * 5


def test_a_search_by_pattern_says_itself_that_it_wants_no_tombstones():
    patterns = [search for search in SEARCHES if "*" in search.alias]

    assert [search.body["query"] for search in patterns] == [{"bool": {"must_not": {"term": {"ddb.deleted": True}}}}]
