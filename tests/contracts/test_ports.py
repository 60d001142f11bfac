"""One suite for each port, for the in-memory twin and for the real adapter alike."""

import pytest
from builders import tables

from tailrace.actions import Action
from tailrace.adapters.memory import MemoryEngine
from tailrace.bulk import pack
from tailrace.generations import build_index_request
from tailrace.outcomes import Outcome
from tailrace.ports import StoredDocument

DOCUMENT = b'{"status":"PAID","ddb":{"table":"orders","seq":"111000000000000000000000001"}}'


@pytest.fixture(params=["twin", "real"])
def engine(request):
    return MemoryEngine() if request.param == "twin" else request.getfixturevalue("opensearch")


@pytest.fixture
def alias(engine, request):
    prefix = "" if isinstance(engine, MemoryEngine) else request.getfixturevalue("corner")
    return f"{prefix}orders"


@pytest.fixture
def ensured(engine, alias):
    engine.ensure_index(alias, build_index_request(tables().spec("orders"), alias))
    return alias


def write(alias, version, id_="o-1", source=DOCUMENT):
    return Action(alias, id_, version, None, source, Outcome.INDEXED, 0)


def send(engine, *actions):
    [body] = pack(actions, max_bytes=1_000_000)
    return [(result.status, result.error_type) for result in engine.bulk(body.content, len(actions))]


CONFLICT = (409, "version_conflict_engine_exception")


def test_a_new_document_is_created_and_a_newer_one_replaces_it(engine, ensured):
    assert send(engine, write(ensured, 10)) == [(201, None)]
    assert send(engine, write(ensured, 11)) == [(200, None)]


@pytest.mark.parametrize("version", [10, 9, 0])
def test_an_equal_or_older_version_is_a_conflict(engine, ensured, version):
    send(engine, write(ensured, 10))

    assert send(engine, write(ensured, version)) == [CONFLICT]


def test_versions_are_exact_up_to_the_end_of_int64(engine, ensured):
    assert send(engine, write(ensured, 2**63 - 2), write(ensured, 2**63 - 1)) == [(201, None), (200, None)]
    assert send(engine, write(ensured, 2**63 - 1)) == [CONFLICT]


def test_a_write_to_a_missing_alias_is_refused_and_creates_nothing(engine, alias):
    assert send(engine, write(alias, 10)) == [(404, "index_not_found_exception")]
    assert send(engine, write(alias, 10)) == [(404, "index_not_found_exception")]


def test_an_index_is_ensured_once(engine, alias):
    request = build_index_request(tables().spec("orders"), alias)

    assert engine.ensure_index(alias, request) is True
    assert engine.ensure_index(alias, request) is False


def test_trap_5_a_delete_of_nothing_is_404_without_an_error(engine, ensured):
    assert send(engine, write(ensured, 10, source=None)) == [(404, None)]


def test_an_older_write_right_after_a_delete_is_a_conflict(engine, ensured):
    send(engine, write(ensured, 10), write(ensured, 20, source=None))

    assert send(engine, write(ensured, 15)) == [CONFLICT]


def test_results_come_in_the_order_of_the_actions(engine, ensured):
    send(engine, write(ensured, 10))

    assert send(engine, write(ensured, 9), write(ensured, 9, "o-2"), write(ensured, 11)) == [
        CONFLICT,
        (201, None),
        (200, None),
    ]


def test_stored_documents_are_read_at_once_with_version_and_sequence_number(engine, ensured):
    send(engine, write(ensured, 10), write(ensured, 7, "o-2", b'{"ddb":{"deleted":true}}'))

    assert engine.read_stored([(ensured, "o-1"), (ensured, "o-2"), (ensured, "o-3")]) == [
        StoredDocument(10, "111000000000000000000000001"),
        StoredDocument(7, None),
        None,
    ]


def test_failure_85_any_id_reaches_the_engine_and_comes_back(engine, ensured):
    ids = ["ORDER#1", "a/b?c", "50%+&", "with space", "größe", "a|b\\|c", "_x", "."]
    send(engine, *(write(ensured, 10, id_) for id_ in ids))

    assert [found.version for found in engine.read_stored([(ensured, id_) for id_ in ids])] == [10] * len(ids)
