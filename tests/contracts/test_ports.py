"""One suite for each port, for the in-memory twin and for the real adapter alike."""

import pytest
from builders import tables

from tailrace.actions import Action
from tailrace.adapters.memory import MemoryEngine
from tailrace.bulk import pack
from tailrace.generations import build_index_request
from tailrace.outcomes import Outcome
from tailrace.ports import IndexFields, StoredDocument
from tailrace.probing import Probe

DOCUMENT = b'{"status":"PAID","ddb":{"table":"orders","seq":"111000000000000000000000001"}}'


@pytest.fixture(params=["twin", pytest.param("real", marks=pytest.mark.both_engines)])
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


def test_stored_documents_are_read_at_once_with_version_sequence_number_and_event_id(engine, ensured):
    by_kinesis = write(ensured, 7, "o-2", b'{"ddb":{"deleted":true,"event_id":"7e0a"}}')
    nameless = write(ensured, 8, "o-3", b'{"ddb":{"event_id":null}}')
    send(engine, write(ensured, 10), by_kinesis, nameless)

    assert engine.read_stored([(ensured, "o-1"), (ensured, "o-2"), (ensured, "o-3"), (ensured, "o-4")]) == [
        StoredDocument(10, "111000000000000000000000001", None),
        StoredDocument(7, None, "7e0a"),
        StoredDocument(8, None, None),
        None,
    ]


def test_failure_85_any_id_reaches_the_engine_and_comes_back(engine, ensured):
    ids = ["ORDER#1", "a/b?c", "50%+&", "with space", "größe", "a|b\\|c", "_x", "."]
    send(engine, *(write(ensured, 10, id_) for id_ in ids))

    assert [found.version for found in engine.read_stored([(ensured, id_) for id_ in ids])] == [10] * len(ids)


# -- probes and fields ----------------------------------------------------------------------------------------------

DATED = tables(fields={"created": {"type": "date"}}).spec("orders")


@pytest.fixture
def dated(engine, alias):
    """An alias whose index takes dates alone in `created`."""
    if isinstance(engine, MemoryEngine):
        engine.refuse_field = lambda name, value: "no date" if (name, value) == ("created", "soon") else None
    engine.ensure_index(alias, build_index_request(DATED, alias))
    return alias


def ask(engine, *probes):
    body = b"".join(probe.render() for probe in probes)
    return [(result.status, result.error_type) for result in engine.bulk(body, len(probes))]


REFUSED = (400, "mapper_parsing_exception")
PASSED = (409, "version_conflict_engine_exception")


@pytest.mark.parametrize("id_", ["new", "o-1"])
def test_a_probe_tells_which_fields_the_engine_would_refuse_and_writes_nothing(engine, dated, id_):
    send(engine, write(dated, 10))

    answers = ask(engine, *(Probe(dated, id_, {"created": text, "x": 1}) for text in ("soon", "2026-11-21")))

    assert answers == [REFUSED, PASSED]
    assert engine.read_stored([(dated, "o-1"), (dated, "new")]) == [
        StoredDocument(10, "111000000000000000000000001"),
        None,
    ]


def test_a_probe_without_fields_passes(engine, dated):
    assert ask(engine, Probe(dated, "new", {})) == [PASSED]


def test_a_probe_of_a_missing_alias_creates_nothing(engine, alias):
    assert ask(engine, Probe(alias, "new", {})) == [(404, "index_not_found_exception")]
    assert send(engine, write(alias, 10)) == [(404, "index_not_found_exception")]


def test_the_fields_of_an_index_are_those_of_its_mapping_and_its_room_is_what_the_limit_leaves(engine, dated):
    assert engine.read_fields(dated) == IndexFields(frozenset({"created", "ddb"}), 986)

    send(engine, write(dated, 10, source=b'{"text":"a","flag":true,"map":{"n":1},"nothing":null,"ddb":{"seq":"1"}}'))

    names = frozenset({"created", "ddb", "text", "flag", "map"})
    assert engine.read_fields(dated) == IndexFields(names, 980)


def test_a_field_beyond_the_limit_is_refused_and_takes_no_room(engine, alias):
    request = build_index_request(DATED, alias)
    request["settings"]["index"]["mapping"]["total_fields"]["limit"] = 17
    engine.ensure_index(alias, request)

    assert engine.read_fields(alias).room == 3
    assert send(engine, write(alias, 10, source=b'{"a":"x","b":"x"}')) == [(400, "illegal_argument_exception")]
    assert send(engine, write(alias, 10, source=b'{"a":"x","b":true}')) == [(201, None)]
    assert engine.read_fields(alias).room == 0
