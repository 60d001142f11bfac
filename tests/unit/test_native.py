"""The native accelerator against its specification: what the Python beside it answers, byte for byte, or nothing."""

import hashlib
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.samples import TABLES, event, removal
from corpus.items import odd_items
from corpus.numbers import number_corpus, spell
from hypothesis import given
from hypothesis import strategies as st
from unit.native_strategies import ARN, damaged, images, junk, odd, spellings, texts, values, wire

from tailrace import acceleration, identity, stream_records
from tailrace.actions import Action, Planner
from tailrace.attributes import IllegalAttributeError, ImageReader, canonical_json
from tailrace.bulk import pack
from tailrace.decoding import decode_event
from tailrace.outcomes import Outcome
from tailrace.records import ChangeRecord
from tailrace.tables import load_tables
from tailrace_local.accelerator import fingerprint

SOURCE = Path(__file__).resolve().parents[2] / "layers" / "tailrace" / "native"
SOURCES = "".join(path.read_text() for path in SOURCE.glob("*.[ch]"))
native = acceleration.NATIVE
pytestmark = pytest.mark.skipif(native is None, reason="the native accelerator is not built: make setup")
ORDERS = {
    "plain": {"key": ["id"]},
    "two keys": {"key": ["sk", "id"]},
    "undeclared key": {},
    "typed": {"key": ["id"], "type_attribute": "TYPE"},
    "where": {"key": ["id"], "filter": {"where": {"status": ["PAID"]}}},
    "filtered": {"key": ["id"], "filter": {"exclude_operations": ["remove"], "exclude_ttl_deletes": True}},
    "redacted": {"key": ["id"], "fields": {"a": {"redact": "hash"}}},
    "hard": {"key": ["id"], "deletes": "hard"},
    "shared": {"key": ["id"], "index": "all"},
}
SPECS = {name: load_tables({"tables": {"orders": {"source": "streams"} | spec}}) for name, spec in ORDERS.items()}
parts = st.one_of(texts.map(lambda value: {"S": value}), spellings.map(lambda value: {"N": value}), values)
keys = st.one_of(
    st.fixed_dictionaries({"id": parts}),
    st.fixed_dictionaries({"id": parts, "sk": parts}),
    st.fixed_dictionaries({"sk": parts, "id": parts}),
)
records = st.builds(
    ChangeRecord,
    table=st.sampled_from(["orders", "other"]),
    operation=st.sampled_from(["insert", "modify", "remove"]),
    keys=keys,
    new_image=st.one_of(st.none(), images),
    old_image=st.one_of(st.none(), images),
    sequence_number=st.sampled_from([None, "1" * 21]),
    event_id=st.one_of(st.none(), texts),
    instant_ns=st.one_of(st.integers(-5, 2**63 + 5), st.integers(0, 4_000_000_000).map(lambda s: s * 10**9)),
    source=st.sampled_from(["streams", "kinesis", "scan"]),
    source_arn=st.just(ARN),
    is_ttl_delete=st.booleans(),
    view_type=st.none(),
    position=st.none(),
    wire=st.none(),
)


def blank_record():
    return ChangeRecord(
        "orders", "remove", {"id": {"S": "a"}}, None, None, None, None, 0, "scan", None, False, None, None, {}
    )


@contextmanager
def in_python():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acceleration, "NATIVE", None)
        yield


def ending(function, *arguments):
    """What a call answers, or how it fails: the same for whoever calls."""
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001
        return type(error), str(error)


def canonical(image):
    try:
        return canonical_json(ImageReader().read(image))
    except (IllegalAttributeError, TypeError, ValueError):
        return None


def plan_twice(tables, record):
    """The second time a planner knows the table."""
    planner = Planner(tables)
    return [ending(planner.plan, record, 3), ending(planner.plan, record, 4)]


def assert_planned_alike(tables, record):
    accelerated = plan_twice(tables, record)
    with in_python():
        assert accelerated == plan_twice(tables, record)


def assert_decoded_alike(wires):
    accelerated = ending(decode_event, {"Records": wires})
    with in_python():
        assert repr(accelerated) == repr(ending(decode_event, {"Records": wires}))


def assert_packed_alike(actions, limit, most):
    accelerated = ending(lambda: list(pack(actions, limit, most)))
    with in_python():
        assert accelerated == ending(lambda: list(pack(actions, limit, most)))


# -- it is what it should be -----------------------------------------------------------------------------------------


def test_the_built_accelerator_is_of_the_source_beside_it():
    assert fingerprint(SOURCE) == native.FINGERPRINT, "stale: run make setup"


def enumeration(first):
    names = re.search(rf"enum \{{ ({first}\b[^}}]*?),\s+\w+ \}}", SOURCES)[1]
    return tuple(name.lower() for name in re.split(r",\s+", names))


def test_it_knows_the_fields_of_records_and_actions_by_their_places():
    assert enumeration("TABLE") == ChangeRecord._fields
    renamed = {"action_sequence_number": "sequence_number", "document": "source", "action_event_id": "event_id"}
    assert tuple(renamed.get(name, name) for name in enumeration("ALIAS")) == Action._fields


def test_it_knows_the_limits_of_the_python_code():
    limits = dict(re.findall(r"#define (MAX_\w+) (\d+)", SOURCES))
    assert int(limits["MAX_ID_BYTES"]) == identity.MAX_ID_BYTES
    assert int(limits["MAX_SEQUENCE_DIGITS"]) == stream_records.MAX_SEQUENCE_NUMBER_DIGITS


def test_ordinary_records_are_its_own_from_end_to_end():
    wires = [*event(0, 50)["Records"], *map(removal, range(50))]
    decoded = decode_event({"Records": wires})
    specs = load_tables(TABLES)
    frame = (Action, Outcome.INDEXED, Outcome.DELETED, specs.spec("orders").key, "")
    actions = [native.act(record, frame, "orders", 0) for record in decoded]

    arn = wires[0]["eventSourceARN"]
    assert [native.decode(each, arn, "orders", ChangeRecord) for each in wires] == decoded
    assert None not in actions
    assert {type(action) for action in actions} == {Action}
    assert native.pack(actions, 0, 10**6, 5_000)[1] == 100


@pytest.mark.parametrize("spec", SPECS)
def test_ordinary_records_are_planned_alike_under_every_spec(spec):
    inserted = wire({"id": {"S": "o-1"}, "TYPE": {"S": "Big"}, "status": {"S": "PAID"}}, {"id": {"S": "o-1"}})
    moved = {**inserted, "eventName": "MODIFY", "dynamodb": {**inserted["dynamodb"], "OldImage": {"id": {"S": "o-1"}}}}
    removed = {**moved, "eventName": "REMOVE"}

    for record in decode_event({"Records": [inserted, moved, removed]}):
        assert_planned_alike(SPECS[spec], record)


# -- items -----------------------------------------------------------------------------------------------------------


@given(images)
def test_law_3_an_item_has_the_same_bytes_or_is_not_its_own(image):
    assert native.canonical(image) in (None, canonical(image))


@given(st.one_of(junk, images.flatmap(damaged)))
def test_law_5_junk_for_an_item_is_not_its_own_unless_python_takes_it(image):
    assert native.canonical(image) in (None, canonical(image))


def test_the_odd_items_of_the_corpus_have_the_same_bytes():
    answers = [(native.canonical(item), canonical(item)) for item in odd_items()]
    assert [pair for pair in answers if pair[0] not in (None, pair[1])] == []


def test_numbers_of_the_corpus_in_any_spelling_have_the_same_bytes():
    for number, text in enumerate(number_corpus()):
        image = {"n": {"N": spell(text, number)}}
        assert native.canonical(image) in (None, canonical(image))


@pytest.mark.parametrize("code", [*range(0x20), 0x22, 0x5C, 0x7F, 0x80, 0xFFFF, 0x10FFFF])
def test_every_character_is_escaped_as_python_escapes_it(code):
    for before in range(9):
        image = {"a": {"S": "x" * before + chr(code) + "yé"}, "k" + chr(code): {"NULL": True}}
        assert native.canonical(image) in (None, canonical(image))
        assert native.canonical({"a": image["a"]}) == canonical({"a": image["a"]})


def test_maps_and_sets_of_any_size_are_sorted_as_python_sorts_them():
    for size in (1, 2, 23, 24, 25, 63, 64, 65, 200, 3_000):
        names = sorted((hashlib.sha256(b"%d" % n).hexdigest()[: n % 9 + 4] for n in range(size)), key=hash)
        image = {name: {"SS": names[:100]} if name == names[0] else {"N": str(n)} for n, name in enumerate(names)}
        assert native.canonical(image) == canonical(image)
        numbers = {"n": {"NS": [str((n * 7919) % 10_007 - 5_000) for n in range(size)]}}
        assert native.canonical(numbers) == canonical(numbers)


def nested(levels, kind):
    value = {"S": "x"}
    for _ in range(levels):
        value = {"M": {"m": value}} if kind == "M" else {"L": [value]}
    return {"deep": value}


@pytest.mark.parametrize("kind", ["M", "L"])
def test_depth_is_bounded_long_before_the_stack(kind):
    for levels in (0, 1, 14, 15, 16, 31, 32, 500):
        assert native.canonical(nested(levels, kind)) in (None, canonical(nested(levels, kind)))
    assert native.canonical(nested(100_000, kind)) is None


def test_an_item_of_400_kb_is_written_whole():
    image = {"a": {"S": "\n" * 200_000}, "b": {"S": "x" * 200_000}, "c": {"SS": [f"{n:04}" for n in range(9_000)]}}
    assert native.canonical(image) == canonical(image)


@pytest.mark.parametrize("is_portable", [True, False])
def test_its_sha_256_is_that_of_hashlib(is_portable):
    for size in [*range(300), 10_000, 400_000]:
        data = hashlib.sha256(b"%d" % size).digest() * (size // 32 + 1)
        assert native.sha256(data[:size], is_portable) == hashlib.sha256(data[:size]).digest()


# -- records, plans, bodies ------------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(SPECS)), records)
def test_law_3_a_record_is_planned_alike(spec, record):
    assert_planned_alike(SPECS[spec], record)


@given(st.sampled_from(sorted(SPECS)), records, st.sampled_from(ChangeRecord._fields[1:]), st.one_of(odd, junk))
def test_law_5_a_record_with_junk_in_it_is_planned_alike(spec, record, place, value):
    assert_planned_alike(SPECS[spec], record._replace(**{place: value}))


@given(st.integers(0, 2**63 - 1))
def test_an_instant_is_spelled_alike(instant):
    record = blank_record()._replace(instant_ns=instant)
    assert_planned_alike(SPECS["plain"], record)


@given(st.lists(st.one_of(images.map(lambda image: wire(image, {"id": {"S": "a"}})), junk), max_size=4))
def test_an_event_is_decoded_alike(wires):
    assert_decoded_alike([wire({}, {}), *wires])


@given(images.map(lambda image: wire(image, {"id": {"S": "a"}}, userIdentity={"a": 1})).flatmap(damaged))
def test_law_5_a_damaged_stream_record_is_decoded_alike(damaged_wire):
    assert_decoded_alike([wire({}, {}), damaged_wire])


@pytest.mark.parametrize(
    "seconds", [0, 1.9, -1, -0.5, True, 9_223_372_036, 9_223_372_037, 1e300, float("nan"), None, "1"]
)
def test_the_time_of_a_change_is_read_alike(seconds):
    assert_decoded_alike([wire({}, {}), wire({}, {}, ApproximateCreationDateTime=seconds)])


actions = st.builds(
    Action,
    alias=texts,
    id=texts,
    version=st.one_of(st.integers(0, 2**63 - 1), st.integers()),
    sequence_number=st.none(),
    source=st.one_of(st.none(), st.binary(max_size=60)),
    done=st.just(Outcome.INDEXED),
    record=st.just(0),
)


@given(st.lists(actions, max_size=12), st.integers(1, 400), st.integers(1, 5))
def test_failure_27_bodies_are_packed_alike(several, limit, most):
    assert_packed_alike(several, limit, most)


@given(st.lists(actions, min_size=1, max_size=3), st.sampled_from(["alias", "id", "version", "source"]), odd)
def test_law_5_an_action_with_junk_in_it_is_packed_alike(several, place, value):
    assert_packed_alike([*several, several[0]._replace(**{place: value})], 10_000, 100)


class Hostile(str):
    """A name that changes the record while it is looked at."""

    __slots__ = ("prey",)

    def __hash__(self):
        return hash(str(self))

    def __eq__(self, other):
        self.prey.clear()
        return False


def test_a_record_that_changes_under_its_hands_does_it_no_harm():
    for place in ("eventSource", "dynamodb", "eventID"):
        hostile, record = Hostile(place), wire({"a": {"S": "b"}}, {"id": {"S": "a"}})
        hostile.prey = {hostile: record.pop(place)}
        hostile.prey |= record
        assert native.decode(hostile.prey, ARN, "orders", ChangeRecord) is None


@pytest.mark.parametrize(
    "call",
    ["decode", "begin", "decode_run", "read_item", "text", "find", "act", "act_run", "pack", "canonical", "sha256"],
)
@given(st.lists(st.one_of(odd, junk), max_size=5))
def test_a_call_that_python_never_makes_is_a_type_error_at_worst(call, arguments):
    answer = ending(getattr(native, call), *arguments)
    assert answer is None or isinstance(answer, bytes | tuple | int | dict)
