"""Law 5 on the in-memory twin; tests/integration/test_quarantine_on_engine.py asks the real engine."""

import orjson
import pytest
from builders import SECOND, Indexer, change_record, order, sequence_number, tables
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.adapters.memory import ManualClock, MemoryItems
from tailrace.failures import EngineError
from tailrace.ports import ItemResult


def refusing(*names, reason="no reason given"):
    """A hook that refuses every field of these names."""
    return lambda name, value: reason if name in names else None


def indexer_refusing(*names, reason="no reason given", **more):
    indexer = Indexer(**more)
    indexer.engine.refuse_field = refusing(*names, reason=reason)
    return indexer


def rejected(indexer, id_="o-1"):
    return indexer.engine.visible("orders")[id_]["ddb"].get("rejected")


def insert(id_="o-1", sequence=1, **attributes):
    return change_record(new=order(id_, **attributes), sequence=sequence)


def wide(id_="o-1", sequence=1):
    """An item with the fields f00 … f39."""
    return insert(id_, sequence, **{f"f{n:02}": {"S": "v"} for n in range(40)})


def test_the_field_at_fault_moves_to_rejected_and_the_rest_is_indexed():
    indexer = indexer_refusing("shape")

    assert indexer.counts(insert(shape={"M": {"x": {"N": "1"}}})) == {"indexed": 1}

    found = indexer.engine.visible("orders")["o-1"]
    assert (found["id"], found["status"], found["total"]) == ("o-1", "PAID", 12.5)
    assert "shape" not in found
    assert found["ddb"]["rejected"] == {"shape": {"value": {"x": 1}, "reason": "no reason given"}}
    assert found["ddb"]["rejected_fields"] == ["shape"]


def test_the_digest_is_that_of_the_whole_item():
    whole, apart = Indexer(), indexer_refusing("shape")
    whole.index(insert(shape={"S": "round"}))
    apart.index(insert(shape={"S": "round"}))

    digests = [each.engine.visible("orders")["o-1"]["ddb"]["digest"] for each in (whole, apart)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    "names", [["f00"], ["f39"], ["f00", "f39"], ["f07", "f08", "f21"], [f"f{n:02}" for n in range(40)]]
)
def test_exactly_the_fields_at_fault_are_set_apart(names):
    indexer = indexer_refusing(*names)

    assert indexer.counts(wide()) == {"indexed": 1}
    assert sorted(rejected(indexer)) == names


@settings(max_examples=30)
@given(st.sets(st.integers(min_value=0, max_value=39)), st.integers(min_value=0, max_value=39))
def test_whatever_a_reason_text_names_only_fields_at_fault_are_set_apart(numbers, named):
    names = [f"f{n:02}" for n in sorted(numbers)]
    indexer = indexer_refusing(*names, reason=f"failed to parse field [f{named:02}] of [status]")

    indexer.index(wide())

    assert sorted(rejected(indexer) or []) == names


def test_a_neighbour_is_never_touched():
    indexer = indexer_refusing("shape")

    counts = indexer.counts(insert("a"), insert("b", 2, shape={"S": "x"}), insert("c", 3))

    assert counts == {"indexed": 3}
    assert [rejected(indexer, id_) for id_ in "ac"] == [None, None]


def test_the_count_of_documents_with_fields_set_apart_is_reported():
    indexer = indexer_refusing("shape", "hue")

    report = indexer.index(
        insert("a", 1), insert("b", 2, shape={"S": "x"}), insert("c", 3, shape={"S": "x"}, hue={"S": "x"})
    )

    assert report.counts["quarantined"] == 2


def test_nothing_is_asked_when_nothing_is_refused():
    indexer = Indexer()

    report = indexer.index(insert())

    assert "probes" not in report.counts
    assert "quarantined" not in report.counts


def test_what_one_document_teaches_spares_the_others_most_probes():
    indexer = Indexer()
    indexer.index(wide("first"))
    indexer.engine.refuse_field = refusing("f17")

    report = indexer.index(*(wide(f"o-{n}", n) for n in range(1, 51)))

    assert report.counts["quarantined"] == 50
    assert report.counts["probes"] <= 200


def test_a_redelivered_document_with_rejected_fields_is_a_duplicate():
    indexer = indexer_refusing("shape")
    indexer.index(insert(shape={"S": "x"}))

    assert indexer.counts(insert(shape={"S": "x"})) == {"duplicate": 1}


def test_an_older_change_with_a_bad_field_is_stale():
    indexer = indexer_refusing("shape")
    indexer.index(insert(sequence=2))

    assert indexer.counts(insert(sequence=1, shape={"S": "x"})) == {"stale": 1}
    assert rejected(indexer) is None


def test_a_newer_change_of_the_same_second_is_settled_without_its_bad_field():
    indexer = indexer_refusing("shape")
    indexer.index(insert(sequence=1))

    assert indexer.counts(insert(sequence=2, shape={"S": "x"})) == {"indexed": 1}
    assert list(rejected(indexer)) == ["shape"]


def test_a_later_change_without_the_bad_field_clears_rejected():
    indexer = indexer_refusing("shape")
    indexer.index(insert(shape={"S": "x"}))

    later = change_record("MODIFY", new=order(), old=order(), sequence=2, second=SECOND + 1)
    assert indexer.counts(later) == {"indexed": 1}
    assert rejected(indexer) is None


def test_what_is_read_from_the_table_to_decide_is_quarantined_as_well():
    indexer = Indexer()
    indexer.index(insert(sequence=1))
    indexer.engine.documents["orders", "o-1"] = b'{"ddb":{"table":"orders"}}'
    indexer.items.tables["orders"] = [order(shape={"S": "x"}, total={"N": "77"})]
    indexer.engine.refuse_field = refusing("shape")

    assert indexer.counts(change_record("MODIFY", new=order(shape={"S": "y"}), old=order(), sequence=2)) == {
        "indexed": 1
    }
    assert indexer.engine.visible("orders")["o-1"]["total"] == 77
    assert rejected(indexer)["shape"]["value"] == "x"


def test_the_reserved_name_and_a_refused_field_stand_side_by_side():
    indexer = indexer_refusing("shape")

    indexer.index(insert(ddb={"S": "mine"}, shape={"S": "x"}))

    assert list(rejected(indexer)) == ["ddb", "shape"]


def test_law_4_digits_are_exact_in_rejected_values():
    digits = "0.12345678901234567890123456789012345678"
    indexer = indexer_refusing("shape")

    indexer.index(insert(shape={"L": [{"N": digits}, {"N": "1" + "0" * 125}]}, total={"N": digits}))

    source = indexer.engine.documents["orders", "o-1"]
    assert f'"total":{digits},'.encode() in source
    assert f'"value":[{digits},1{"0" * 125}]'.encode() in source


# -- the limits of an index -----------------------------------------------------------------------------------------


def crowded(room):
    """An indexer whose index has room for so many fields beyond those of an order."""
    indexer = Indexer()
    indexer.index(insert())
    known = indexer.engine.fields["orders"]
    indexer.engine.fields["orders"] = known._replace(room=room)
    return indexer


def test_fields_beyond_what_fits_are_set_apart():
    indexer = crowded(room=5)

    assert indexer.counts(insert("b", 2, **{name: {"S": "x"} for name in "pqrs"})) == {"indexed": 1}
    assert list(rejected(indexer, "b")) == ["r", "s"]


def test_a_full_index_still_takes_what_needs_no_room():
    indexer = crowded(room=0)

    indexer.index(insert("b", 2, nothing={"NULL": True}, flag={"BOOL": True}, many={"L": []}))

    assert list(rejected(indexer, "b")) == ["flag"]


def test_a_full_index_needs_one_probe_for_each_document():
    indexer = crowded(room=1)

    report = indexer.index(*(insert(f"o-{n}", n, **{f"new{n}": {"S": "x"}}) for n in range(2, 30)))

    assert report.counts["quarantined"] == 28
    assert report.counts["probes"] == 28 + 1


def test_a_document_with_more_new_fields_than_there_is_room_for_costs_few_probes():
    indexer = crowded(room=100)

    report = indexer.index(insert("b", 2, **{f"f{n:03}": {"S": "x"} for n in range(600)}))

    assert len(rejected(indexer, "b")) == 600 - 50
    assert report.counts["probes"] <= 5


def test_new_fields_that_are_at_fault_leave_their_room_to_others():
    indexer = crowded(room=4)
    indexer.engine.refuse_field = refusing("p", "q")

    indexer.index(insert("b", 2, **{name: {"S": "x"} for name in "pqrs"}))

    assert sorted(rejected(indexer, "b")) == ["p", "q"]


def test_a_few_refused_documents_cost_one_request_of_probes():
    indexer = indexer_refusing("shape", reason="failed to parse field [shape]")
    indexer.engine.aliases.add("orders")

    indexer.index(*(insert(f"o-{n}", n, shape={"S": "x"}) for n in range(1, 9)))

    assert [b"if_primary_term" in body for body in indexer.engine.bodies] == [False, True, False]


class Around:
    """The twin with one verb replaced."""

    def __init__(self, engine, **verbs):
        self._engine = engine
        self.__dict__.update(verbs)

    def __getattr__(self, name):
        return getattr(self._engine, name)


def test_without_the_right_to_read_the_mapping_probes_decide():
    def forbidden(alias, timeout):
        raise EngineError(403, "no")

    twin = crowded(room=5).engine
    indexer = Indexer(engine=Around(twin, read_fields=forbidden))

    assert indexer.counts(insert("b", 2, **{name: {"S": "x"} for name in "pqrs"})) == {"indexed": 1}
    assert list(rejected(indexer, "b")) == ["r", "s"]


# -- what no single field explains ----------------------------------------------------------------------------------

TERM = ItemResult(400, "illegal_argument_exception", 'immense term in field="f23._value"')


def refusing_whole(is_bad):
    """An indexer whose engine refuses documents, and no probes, by the fields that they have."""
    indexer = Indexer()
    indexer.engine.aliases.add("orders")

    def refuse(alias, id_, source):
        fields = orjson.loads(source)
        return TERM if "ddb" in fields and is_bad(fields) else None

    indexer.engine.refuse = refuse
    return indexer


def test_a_field_that_passes_alone_is_dropped_when_the_document_passes_without_it():
    indexer = refusing_whole(lambda fields: "f23" in fields)

    assert indexer.counts(wide()) == {"indexed": 1}
    assert list(rejected(indexer)) == ["f23"]


def test_the_largest_field_is_dropped_first_where_nothing_else_is_known():
    indexer = refusing_whole(lambda fields: "f05" in fields)
    big = wide()
    big["dynamodb"]["NewImage"]["f05"] = {"S": "x" * 40_000}

    indexer.index(big)

    assert list(rejected(indexer)) == ["f05"]


def test_a_document_that_passes_with_few_fields_alone_keeps_few():
    indexer = refusing_whole(lambda fields: len(fields) > 5)

    report = indexer.index(wide())

    assert report.account.as_dict()["indexed"] == 1
    assert len(indexer.engine.bodies) <= 20


def test_a_document_that_is_refused_with_no_fields_left_is_a_dead_letter():
    indexer = refusing_whole(lambda fields: True)

    assert indexer.counts(wide()) == {"dead_lettered": 1}
    letter = orjson.loads(next(iter(indexer.letters.letters.values())))
    assert letter["reason"] == "illegal_argument_exception"
    assert letter["record"] == wide()


def test_an_index_that_refuses_everything_is_asked_but_once():
    indexer = Indexer()
    indexer.engine.aliases.add("orders")
    indexer.engine.refuse = lambda *_: ItemResult(400, "index_closed_exception", "closed")

    report = indexer.index(*(insert(f"o-{n}", n) for n in range(1, 101)))

    assert report.account.as_dict()["dead_lettered"] == 100
    assert report.counts["probes"] <= 5
    assert len(indexer.engine.bodies) == 2


# -- policy, time and outages ---------------------------------------------------------------------------------------


def test_the_policy_dead_letter_keeps_documents_whole():
    indexer = indexer_refusing("shape", tables=tables(on_type_conflict="dead_letter"))

    assert indexer.counts(insert("a"), insert("b", 2, shape={"S": "x"})) == {"indexed": 1, "dead_lettered": 1}
    assert list(indexer.engine.visible("orders")) == ["a"]


def test_a_probe_that_is_not_answered_is_asked_again_after_a_pause():
    indexer = indexer_refusing("shape")
    indexer.index(insert("a"))
    busy = iter([503])

    def bulk(body, count, timeout):
        if b"if_primary_term" in body and next(busy, None):
            raise EngineError(503, "busy")
        return indexer.engine.bulk(body, count)

    around = Indexer(engine=Around(indexer.engine, bulk=bulk))

    assert around.counts(insert("b", 2, shape={"S": "x"})) == {"indexed": 1}
    assert list(rejected(indexer, "b")) == ["shape"]
    assert len(around.clock.slept) == 1


def test_probes_that_are_too_large_together_are_cut_in_half():
    indexer = indexer_refusing("shape")
    indexer.index(insert("a"))

    def bulk(body, count, timeout):
        if b"if_primary_term" in body and count > 1:
            raise EngineError(413, "too large")
        return indexer.engine.bulk(body, count)

    around = Indexer(engine=Around(indexer.engine, bulk=bulk))

    assert around.counts(insert("b", 2, shape={"S": "x"})) == {"indexed": 1}
    assert list(rejected(indexer, "b")) == ["shape"]


def test_law_1_what_the_time_does_not_suffice_for_is_reported_as_failed():
    indexer = indexer_refusing("shape")
    indexer.index(insert("a"))

    def bulk(body, count, timeout):
        if b"if_primary_term" not in body:
            indexer.clock.seconds += 40
        return indexer.engine.bulk(body, count)

    around = Indexer(engine=Around(indexer.engine, bulk=bulk), clock=indexer.clock)
    report = around.index(insert("b", 2, shape={"S": "x"}))

    assert report.as_response() == {"batchItemFailures": [{"itemIdentifier": sequence_number(2)}]}


@settings(max_examples=30)
@given(st.lists(st.sets(st.sampled_from("pqrstu"), max_size=4), min_size=1, max_size=8), st.integers(0, 14))
def test_law_1_every_document_is_indexed_with_all_its_good_fields(items, room):
    indexer = Indexer()
    indexer.index(insert("first"))
    indexer.engine.fields["orders"] = indexer.engine.fields["orders"]._replace(room=room)
    indexer.engine.refuse_field = refusing("p", "q")
    records = [insert(f"o-{n}", n + 2, **{name: {"S": "x"} for name in names}) for n, names in enumerate(items)]

    assert indexer.counts(*records) == {"indexed": len(items)}
    found = indexer.engine.visible("orders")
    for number, names in enumerate(items):
        document = found[f"o-{number}"]
        apart = set(document["ddb"].get("rejected", {}))
        assert names & {"p", "q"} <= apart
        assert names == apart | (set(document) & set("pqrstu"))


def test_no_value_and_no_field_name_reaches_the_report():
    indexer = indexer_refusing("shape", reason="hush-hush")

    report = indexer.index(insert(shape={"S": "hush-hush"}))

    assert "hush" not in repr(report)


def test_a_field_without_fault_stays_when_a_settled_conflict_brings_the_document_back_whole():
    item = order(born={"S": "no day"})
    items, clock = MemoryItems({"orders": [item]}), ManualClock(SECOND + 60)
    indexer = indexer_refusing("born", tables=tables(deletes="hard"), items=items, clock=clock)
    indexer.engine.aliases.add("orders")
    indexer.engine.versions["orders", "o-1"] = SECOND * 10**9 + 1  # a physical delete, whose version refuses the write

    indexer.index(change_record(new=item))

    document = indexer.engine.visible("orders")["o-1"]
    assert list(document["ddb"]["rejected"]) == ["born"]
    assert document["total"] == 12.5
