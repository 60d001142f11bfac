"""Calls end in their time with an answer or an error, and what went wrong on one connection stays there."""

import gzip
import threading
import time
import zlib

import pytest
import requests
from scripted_server import CLOSE, CREATED, RESET, Early, ScriptedServer, answer

from tailrace.adapters.connections import CONNECT_TIMEOUT_SECONDS
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.tombstones import OpenSearchTombstones
from tailrace.failures import EngineError

ACTION = b'{"index":{"_index":"orders","_id":"o-1"}}\n{"total":1}\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
TRICKLE = [part for byte in CREATED for part in (bytes([byte]), 0.05)]  # 2.5 seconds in all


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def engine(server):
    with requests.Session() as session:
        yield OpenSearchEngine(server.url, session=session)


def write(engine, timeout=5.0, body=ACTION):
    return [result.status for result in engine.bulk(body, 1, timeout=timeout)]


def refusal(engine, timeout=5.0, body=ACTION):
    with pytest.raises(EngineError) as caught:
        write(engine, timeout, body)
    return caught.value.status, str(caught.value)


# -- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        [60],
        [HEAD % len(CREATED), 60],
        [HEAD % len(CREATED), *TRICKLE],
        [part for byte in HEAD % 1 for part in (bytes([byte]), 0.05)],
        [b"HTTP/1.1 200 OK\r\n", *[part for n in range(60) for part in (b"x-%d: y\r\n" % n, 0.05)]],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *[b"1\r\n{\r\n", 0.05] * 60],
    ],
    ids=["silence", "no body", "a body by the byte", "a head by the byte", "endless headers", "endless chunks"],
)
def test_a_call_ends_in_its_time_however_slowly_the_engine_answers(server, engine, steps):
    server.script = [steps]
    began = time.monotonic()

    assert refusal(engine, timeout=0.5)[0] == 503
    assert time.monotonic() - began < 2.0
    assert write(engine) == [201]
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_slow_answer_that_is_there_in_time_is_taken(server, engine):
    server.script = [[HEAD % len(CREATED), *TRICKLE]]

    assert write(engine, timeout=30.0) == [201]


def test_a_body_that_the_engine_does_not_read_does_not_hold_the_call(server, engine):
    server.script = [Early([60])]
    began = time.monotonic()

    assert refusal(engine, timeout=0.5, body=ACTION * 400_000)[0] == 503
    assert time.monotonic() - began < 3.0


def test_creating_an_index_takes_its_time_once_and_not_for_each_request(server, engine):
    server.script = [[0.4, *answer(b"", 404)], [0.4, *answer(b"{}", 400)]]
    began = time.monotonic()

    with pytest.raises(EngineError, match="no answer from the engine"):
        engine.ensure_index("orders", {}, timeout=0.6)
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_without_time_nothing_is_asked(server, engine, timeout):
    assert refusal(engine, timeout) == (503, "no time is left to ask the engine")
    assert server.requests == []


def test_connecting_takes_a_few_seconds_at_most():
    assert CONNECT_TIMEOUT_SECONDS == 3.05


def test_nobody_listens():
    with requests.Session() as session:
        assert refusal(OpenSearchEngine("http://127.0.0.1:9", session=session))[0] == 503


# -- broken answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        [CLOSE],
        [RESET],
        [HEAD % len(CREATED), CREATED[:20], CLOSE],
        [HEAD % len(CREATED), CREATED[:20], RESET],
        [HEAD % (len(CREATED) + 5), CREATED, CLOSE],
        [HEAD % (len(CREATED) - 5), CREATED],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"err\r\nzz\r\n", 60],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"err\r\n", CLOSE],
        [b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nplain"],
        [b"HTTP/1.1 200 OK\r\n\r\n", CREATED[:20], CLOSE],
        [b"SSH-2.0-OpenSSH\r\n", CLOSE],
        answer(b"<html>"),
        answer(b""),
    ],
    ids=[
        "closed", "reset", "half an answer", "half an answer and a reset", "longer than it is", "shorter than it is",
        "a broken chunk", "half the chunks", "no gzip", "half, without a length", "another protocol", "no JSON",
        "empty",
    ],
)  # fmt: skip
def test_a_broken_answer_is_an_outage_and_its_connection_is_not_used_again(server, engine, steps):
    server.script = [steps]

    assert refusal(engine)[0] == 503
    assert write(engine) == [201]
    assert server.requests[-1].connection == len({request.connection for request in server.requests}) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(server, engine, status):
    server.script = [answer(b"", status, f"location: {server.url}/elsewhere")]

    assert refusal(engine) == (status, f"the engine answered {status}")
    assert len(server.requests) == 1


@pytest.mark.parametrize("steps", [answer(b"", 413), [*answer(b"", 413), 0.05, CLOSE], [*answer(b"", 413), CLOSE]])
def test_failure_30_a_refusal_that_comes_before_the_body_was_read_is_heard(server, engine, steps):
    server.script = [Early(steps)]

    assert refusal(engine, body=ACTION * 100_000) == (413, "the engine answered 413")


# -- connections that were kept too long -----------------------------------------------------------------------------


def test_a_connection_is_kept_from_call_to_call(server, engine):
    assert [write(engine), write(engine), write(engine)] == [[201], [201], [201]]
    assert server.connections == 1


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_connection_that_the_engine_closed_meanwhile_is_no_outage(server, engine, end):
    server.script = [[*answer(), end]]
    write(engine)
    time.sleep(0.05)

    assert write(engine) == [201]
    assert len(server.requests) == 2


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_kept_connection_that_breaks_before_it_answers_is_replaced_once(server, engine, end):
    server.script = [answer(), [end]]
    write(engine)

    assert write(engine) == [201]
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_a_new_connection_that_breaks_too_is_an_outage(server, engine):
    server.script = [answer(), [RESET], [RESET]]
    write(engine)

    assert refusal(engine)[0] == 503
    assert len(server.requests) == 3


def test_a_kept_connection_that_breaks_within_its_answer_is_an_outage(server, engine):
    server.script = [answer(), [HEAD % 100, b"{", CLOSE]]
    write(engine)

    assert refusal(engine)[0] == 503
    assert len(server.requests) == 2


def test_threads_share_an_engine(server, engine):
    found = []
    threads = [threading.Thread(target=lambda: found.extend(write(engine) for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [[201]] * 80
    assert server.connections <= 4


# -- what is sent ----------------------------------------------------------------------------------------------------


def test_a_request_has_the_headers_that_it_needs_and_no_others(server, engine):
    write(engine)

    [request] = server.requests
    assert sorted(request.headers) == ["accept-encoding", "content-length", "content-type", "host", "user-agent"]
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["host"] == server.url.removeprefix("http://")
    assert request.headers["content-type"] == "application/x-ndjson"
    assert request.body == ACTION


def test_a_query_is_sent_as_sigv4_canonicalises_it(server, engine):
    engine.request("GET", "/a%40b/_search?z=1&filter_path=a.*,b%2Cc&pretty&q=x y")

    assert server.requests[0].line == (
        "GET /a%40b/_search?filter_path=a.%2A%2Cb%2Cc&pretty=&q=x%20y&z=1 HTTP/1.1"
    )  # fmt: skip


@pytest.mark.parametrize("alias", ["orders@next", "50%+&", "größe", "a b", "a=3db", "#x?y", "a/b"])
def test_failure_85_any_name_reaches_the_engine_whole(server, engine, alias):
    engine.has_alias(alias)

    path = server.requests[0].line.split(" ")[1]
    assert path.count("/") == 3
    assert [requests.utils.unquote(part) for part in path.split("/")] == ["", alias, "_alias", alias]


def test_a_body_is_compressed_where_that_is_asked_for_and_worth_it(server):
    with requests.Session() as session:
        engine = OpenSearchEngine(server.url, session=session, is_gzipped=True)
        write(engine)
        write(engine, body=ACTION * 100)

    small, large = server.requests
    assert ("content-encoding" in small.headers, small.body) == (False, ACTION)
    assert large.headers["content-encoding"] == "gzip"
    assert large.headers["accept-encoding"] == "gzip"
    assert len(large.body) == int(large.headers["content-length"]) < 1_000
    assert gzip.decompress(large.body) == ACTION * 100


@pytest.mark.parametrize("is_gzipped", [True, False])
def test_a_compressed_answer_is_read(server, is_gzipped):
    server.script = [answer(gzip.compress(CREATED), 200, "content-encoding: gzip")]
    with requests.Session() as session:
        assert write(OpenSearchEngine(server.url, session=session, is_gzipped=is_gzipped)) == [201]


def test_compression_is_one_level_for_all_time():
    assert len(zlib.compress(ACTION * 100, 1, 31)) < 200


def test_user_and_password_of_the_url_are_sent_and_never_shown(server):
    server.script = [answer(b'{"error":{"type":"security_exception"}}', 401)]
    url = server.url.replace("http://", "http://tail%40race:s3cret%2F@")
    with requests.Session() as session:
        engine = OpenSearchEngine(url, session=session)
        told = refusal(engine)

    assert server.requests[0].headers["authorization"] == "Basic dGFpbEByYWNlOnMzY3JldC8="
    assert engine.url == server.url
    assert told == (401, "the engine answered 401 security_exception")


def test_a_proxy_of_the_environment_is_no_way_to_this_machine(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with requests.Session() as session:
        assert write(OpenSearchEngine(server.url, session=session)) == [201]


def test_a_proxy_of_the_environment_is_the_way_elsewhere(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with requests.Session() as session:
        assert write(OpenSearchEngine("http://opensearch.example", session=session)) == [201]

    assert server.requests[0].line.startswith("POST http://opensearch.example/_bulk?")


def test_tombstones_without_real_sequence_numbers_are_not_removed(server, engine):
    hit = b'{"_id":"a","_seq_no":0,"_primary_term":0}'
    server.script = [answer(b'{"timed_out":false,"hits":{"hits":[%b]}}' % hit)]

    with pytest.raises(EngineError, match="tells no sequence numbers of orders@000001"):
        OpenSearchTombstones(engine).find_tombstones("orders@000001", "orders", "2026-11-21T00:00:00Z", 10)


# -- results ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "items",
    [
        b'{"index":{"status":201}},{"index":{"status":201}}',
        b'{"index":{"status":200}},{"index":{"status":200}}',
        b'{"index":{"status":200}},{"index":{"status":201}}',
        b'{"delete":{"status":404}},{"index":{"status":409,"error":{"type":"t","reason":"r"}}}',
    ],
)
def test_results_are_the_same_whether_they_are_parsed_or_recognised(server, engine, items):
    server.script = [answer(b'{"errors":false,"items":[%b]}' % items)]
    spaced = b'{"errors": false, "items": [%b]}' % items
    server.script.append(answer(spaced))

    assert engine.bulk(ACTION, 2) == engine.bulk(ACTION, 2)


@pytest.mark.parametrize("answered", [0, 1, 3])
@pytest.mark.parametrize("status", [200, 201])
def test_failure_79_an_answer_with_another_number_of_results_is_no_success(server, engine, answered, status):
    items = b",".join([b'{"index":{"status":%d}}' % status] * answered)
    server.script = [answer(b'{"errors":false,"items":[%b]}' % items)]

    with pytest.raises(EngineError, match=f"{answered} results for 2 actions"):
        engine.bulk(ACTION * 2, 2)
