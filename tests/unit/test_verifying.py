"""Verification on the in-memory twins: each kind of difference, writes in flight, filters, repair."""

import dataclasses

import orjson
import pytest
from builders import order, tables
from verification_builders import Sides, found, typed

from tailrace.differences import Kind
from tailrace.errors import UserError
from tailrace.ports import ItemResult


@pytest.fixture
def sides():
    """Three items, their documents, and the tombstone of a fourth."""
    sides = Sides()
    sides.put(order("a"), order("b"), order("c"), order("gone"))
    sides.remove(order("gone"))
    return sides


@pytest.fixture
def typed_sides():
    """One item of each of two types."""
    sides = Sides(tables=tables(type_attribute="status"))
    sides.put(typed("a", "Jet"), typed("b", "Glider"))
    return sides


def shown(certificate):
    return [(one.kind.label, one.generation, one.id) for one in certificate.differences.shown]


def is_repaired(sides):
    """Whether a repair leaves nothing, and a second run nothing to find."""
    certificate = sides.verify(repair=True)
    again = sides.verify(deep=True)
    return (certificate.unrepaired.counts.total(), found(again), again.table_digest == again.index_digest)


def test_an_index_that_equals_its_table_is_clean(sides):
    certificate = sides.verify()

    assert certificate.is_clean
    assert (certificate.items, certificate.documents, certificate.tombstones) == (3, 3, 1)
    assert certificate.table_digest == certificate.index_digest


def test_a_clean_index_costs_no_read_by_key_and_no_waiting(sides):
    sides.verify(deep=True)

    assert (sides.table.reads, sides.clock.slept) == (0, [])


def test_an_empty_table_and_an_empty_index_are_equal():
    sides = Sides()
    sides.put(order("a"))
    sides.remove(order("a"))

    assert sides.verify().is_clean


# -- kinds --------------------------------------------------------------------------------------------------------


def test_an_item_without_a_document_is_missing(sides):
    sides.table.items.append(order("new"))

    assert shown(sides.verify()) == [("missing", "orders@000001", "new")]
    assert is_repaired(sides) == (0, {}, True)


def test_a_tombstone_over_a_living_item_is_buried(sides):
    sides.table.items.append(order("gone"))

    assert shown(sides.verify()) == [("buried", "orders@000001", "gone")]
    assert is_repaired(sides) == (0, {}, True)


def test_a_document_of_another_state_is_stale(sides):
    sides.table.items[0] = order("a", total={"N": "13"})

    assert shown(sides.verify()) == [("stale", "orders@000001", "a")]
    assert is_repaired(sides) == (0, {}, True)


def test_altered_content_under_a_right_digest_is_found_by_deep_alone(sides):
    sides.alter("b", total=12.50001, note="x")

    certificate = sides.verify(deep=True)

    assert shown(certificate) == [("corrupt", "orders@000001", "b")]
    assert certificate.differences.shown[0].fields == ("note", "total")
    assert sides.verify().is_clean
    repaired = sides.verify(deep=True, repair=True)
    assert (repaired.repaired, found(sides.verify(deep=True))) == (1, {})


def test_a_document_whose_item_is_gone_is_an_orphan(sides):
    sides.table.items.remove(order("c"))

    assert shown(sides.verify()) == [("orphan", "orders@000001", "c")]
    assert is_repaired(sides) == (0, {}, True)


def test_an_older_change_over_a_newer_tombstone_is_resurrected(sides):
    tombstone_version = sides.engine.versions["orders", "gone"]
    sides.write("orders", "gone", orjson.loads(sides.engine.documents["orders", "c"]))
    sides.alter("gone", ddb={"key": {"id": {"S": "gone"}}})
    sides.engine.versions["orders", "gone"] = tombstone_version + 1

    assert shown(sides.verify()) == [("resurrected", "orders@000001", "gone")]
    assert is_repaired(sides) == (0, {}, True)


def test_a_document_older_than_a_tombstone_elsewhere_is_resurrected(typed_sides):
    typed_sides.index("REMOVE", None, typed("b", "Jet"))
    typed_sides.table.items.remove(typed("b", "Glider"))

    assert shown(typed_sides.verify()) == [("resurrected", "orders-glider@000001", "b")]
    assert is_repaired(typed_sides) == (0, {}, True)


def test_a_document_in_the_index_of_another_type_stands_in_the_wrong_index(typed_sides):
    typed_sides.table.items.remove(typed("b", "Glider"))
    typed_sides.table.items.append(typed("b", "Jet"))

    assert shown(typed_sides.verify()) == [("wrong index", "orders-glider@000001", "b")]
    assert is_repaired(typed_sides) == (0, {}, True)


def test_a_second_document_beside_the_right_one_stands_in_the_wrong_index(typed_sides):
    typed_sides.write("orders-jet", "b", orjson.loads(typed_sides.engine.documents["orders-glider", "b"]))

    assert shown(typed_sides.verify()) == [("wrong index", "orders-jet@000001", "b")]
    assert is_repaired(typed_sides) == (0, {}, True)


def test_an_item_of_a_type_without_an_index_is_missing_and_repair_makes_the_index(typed_sides):
    typed_sides.table.items.append(typed("c", "Rotorcraft"))

    assert shown(typed_sides.verify()) == [("missing", "orders-rotorcraft", "c")]
    assert is_repaired(typed_sides) == (0, {}, True)
    assert "orders-rotorcraft" in typed_sides.engine.aliases


@pytest.mark.parametrize("document", [{}, {"ddb": {"key": {"id": {"N": "1"}}}}, {"ddb": {"key": "x"}}])
def test_a_document_that_names_no_key_is_foreign(sides, document):
    sides.write("orders", "by-hand", document)

    assert shown(sides.verify()) == [("foreign", "orders@000001", "by-hand")]
    assert is_repaired(sides) == (0, {}, True)


def test_a_document_overwritten_by_hand_is_counted_once(sides):
    sides.write("orders", "a", {"hello": "world"})

    assert shown(sides.verify(deep=True)) == [("stale", "orders@000001", "a")]
    assert is_repaired(sides) == (0, {}, True)


def test_a_copy_under_another_id_is_an_orphan(sides):
    sides.write("orders", "copy", orjson.loads(sides.engine.documents["orders", "a"]))

    assert shown(sides.verify()) == [("orphan", "orders@000001", "copy")]
    assert is_repaired(sides) == (0, {}, True)


def test_an_item_that_cannot_become_a_document_is_refused_and_stays_so(sides):
    sides.table.items.append(order("odd", tags={"SS": []}))

    certificate = sides.verify(repair=True)

    assert shown(certificate) == [("refused", "orders", "odd")]
    assert certificate.unrepaired.counts == {Kind.REFUSED: 1}


def test_swapped_contents_are_two_stale_documents_and_unequal_digests(sides):
    sides.table.items[0], sides.table.items[1] = order("a", total={"N": "1"}), order("b", total={"N": "2"})
    sides.index("MODIFY", order("a", total={"N": "2"}), order("a"))
    sides.index("MODIFY", order("b", total={"N": "1"}), order("b"))

    certificate = sides.verify()

    assert found(certificate) == {"stale": 2}
    assert certificate.table_digest != certificate.index_digest


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s.table.items.append(order("new")),
        lambda s: s.table.items.append(order("gone")),
        lambda s: s.table.items.remove(order("c")),
        lambda s: s.table.items.__setitem__(0, order("a", total={"N": "1"})),
        lambda s: s.alter("b", total=1),
        lambda s: s.alter("b", ddb={"digest": None}),
        lambda s: s.write("orders", "copy", {}),
    ],
)
def test_whatever_differs_the_digests_differ(sides, damage):
    damage(sides)

    certificate = sides.verify(deep=True)

    assert not certificate.is_clean
    assert certificate.table_digest != certificate.index_digest


# -- writes in flight ---------------------------------------------------------------------------------------------


def test_a_document_that_arrives_within_the_lag_is_no_difference(sides):
    sides.table.items.append(order("new"))
    sides.clock.meanwhile = lambda _: sides.index("INSERT", order("new"))

    certificate = sides.verify()

    assert (certificate.is_clean, certificate.in_flight) == (True, 1)
    assert certificate.table_digest == certificate.index_digest
    assert sides.clock.slept == [5.0]


def test_a_removal_that_arrives_within_the_lag_is_no_difference(sides):
    sides.table.items.remove(order("c"))
    sides.clock.meanwhile = lambda _: sides.index("REMOVE", None, order("c"))

    certificate = sides.verify()

    assert (certificate.is_clean, certificate.in_flight) == (True, 1)
    assert certificate.table_digest == certificate.index_digest


def test_a_busy_item_is_looked_at_until_it_rests(sides):
    sides.table.items[0] = order("a", total={"N": "1"})

    def meanwhile(number):
        if number < 3:
            sides.table.items[0] = order("a", total={"N": str(number + 1)})
        else:
            sides.index("MODIFY", sides.table.items[0], order("a"))

    sides.clock.meanwhile = meanwhile

    assert (sides.verify().is_clean, sides.clock.slept) == (True, [5.0, 5.0, 5.0])


def test_an_index_that_never_catches_up_with_a_busy_item_is_a_difference(sides):
    def meanwhile(number):
        sides.table.items[0] = order("a", total={"N": str(number)})

    meanwhile(0)
    sides.clock.meanwhile = meanwhile

    assert found(sides.verify()) == {"stale": 1}
    assert len(sides.clock.slept) == 5


def test_an_item_that_leaves_while_it_is_looked_at_is_left_to_the_other_direction(sides):
    sides.table.items.append(order("new"))
    sides.clock.meanwhile = lambda _: sides.table.items.remove(order("new"))

    assert (sides.verify().is_clean, len(sides.clock.slept)) == (True, 1)


def test_without_a_lag_the_second_look_follows_at_once(sides):
    sides.table.items.append(order("new"))

    assert found(sides.verify(lag_seconds=0)) == {"missing": 1}
    assert sides.clock.slept == []


def test_however_much_differs_the_suspects_that_wait_stay_few(sides):
    sides.table.page_size = 25
    sides.table.items += [order(f"new-{number}") for number in range(300)]
    waiting = []

    certificate = sides.verify(
        most_suspects=50, progress=lambda p: waiting.append(p.total if p.phase == "suspects" else 0)
    )

    assert found(certificate) == {"missing": 300}
    assert max(waiting) <= 75
    assert len(certificate.differences.shown) == 20


# -- what the spec asks for ---------------------------------------------------------------------------------------


def with_spec(sides, **orders):
    return dataclasses.replace(sides, tables=tables(**orders))


@pytest.mark.parametrize(
    ("damage", "excluded", "kind"),
    [
        (lambda s: s.table.items.append(order("new")), "insert", "missing"),
        (lambda s: s.table.items.append(order("gone")), "insert", "buried"),
        (lambda s: s.table.items.append(order("new")), "modify", "missing"),
        (lambda s: s.table.items.__setitem__(0, order("a", total={"N": "1"})), "modify", "stale"),
        (lambda s: s.table.items.remove(order("c")), "remove", "orphan"),
    ],
)
def test_what_an_excluded_operation_leaves_behind_is_allowed_and_not_repaired(sides, damage, excluded, kind):
    damage(sides)
    sides = with_spec(sides, filter={"exclude_operations": [excluded]})

    certificate = sides.verify(repair=True)

    assert certificate.is_clean
    assert certificate.allowed.by_kind()[kind] == 1
    assert certificate.repaired == 0
    assert certificate.table_digest == certificate.index_digest


def test_where_ttl_deletes_are_left_out_an_orphan_is_allowed(sides):
    sides.table.items.remove(order("c"))

    assert with_spec(sides, filter={"exclude_ttl_deletes": True}).verify().allowed.by_kind()["orphan"] == 1


def test_items_that_where_keeps_out_are_counted_and_not_missed():
    sides = Sides(tables=tables(filter={"where": {"status": ["PAID"]}}))
    sides.put(order("a"))
    sides.table.items.append(order("b", status={"S": "NEW"}))

    certificate = sides.verify()

    assert (certificate.is_clean, certificate.items, certificate.filtered) == (True, 2, 1)


def test_a_document_that_where_keeps_out_is_an_orphan():
    sides = Sides(tables=tables(filter={"where": {"status": ["PAID"]}}))
    sides.put(order("a"))
    sides.table.items[0] = order("a", status={"S": "NEW"})

    assert found(sides.verify()) == {"orphan": 1}
    assert is_repaired(sides) == (0, {}, True)


@pytest.mark.parametrize("how", ["hash", "mask", "drop"])
def test_redacted_fields_are_compared_as_they_are_written(how):
    sides = Sides(tables=tables(fields={"ssn": {"redact": how}}))
    sides.put(order("a", ssn={"S": "078-05-1120"}))

    assert sides.verify(deep=True).is_clean


def test_digits_and_quarantined_fields_are_exact_in_a_deep_comparison():
    sides = Sides()
    sides.put(order("a", n={"N": "0." + "1" * 38}, big={"N": "9" * 38}, ddb={"M": {"digest": {"S": "x"}}}))

    assert sides.verify(deep=True).is_clean


def test_tables_that_share_an_index_are_told_apart():
    shared = tables(index="shop")
    sides = Sides(tables=shared)
    sides.put(order("a"))
    sides.write("shop", "bills|a", {"ddb": {"table": "bills", "key": {"id": {"S": "a"}}}})

    assert sides.verify().is_clean


def test_hard_deletes_are_repaired_by_hard_deletes(sides):
    sides.table.items.remove(order("c"))
    hard = with_spec(sides, deletes="hard")

    assert is_repaired(hard) == (0, {}, True)
    assert ("orders", "c") not in sides.engine.documents


# -- repair -------------------------------------------------------------------------------------------------------


def test_repair_writes_one_above_the_version_it_replaces(sides):
    sides.table.items[0] = order("a", total={"N": "13"})
    before = sides.engine.versions["orders", "a"]

    certificate = sides.verify(repair=True)

    assert (certificate.repaired, sides.engine.versions["orders", "a"]) == (1, before + 1)
    kept = orjson.loads(sides.engine.documents["orders", "a"])["ddb"]
    assert (kept["op"], kept["source"]) == ("backfill", "scan")


def test_a_change_that_comes_between_is_not_undone_by_the_repair(sides):
    sides.table.items[0] = order("a", total={"N": "13"})
    newer = order("a", total={"N": "14"})

    def change_first(alias, id_, source):
        if source is not None and b'"op":"backfill"' in source and sides.table.items[0] != newer:
            sides.engine.refuse = None
            sides.table.items[0] = newer
            sides.index("MODIFY", newer, order("a"))
        return

    sides.engine.refuse = change_first
    sides.verify(repair=True)

    assert orjson.loads(sides.engine.documents["orders", "a"])["total"] == 14
    assert sides.verify(deep=True).is_clean


def test_what_the_engine_refuses_is_named_and_not_called_repaired(sides):
    sides.table.items.append(order("new"))
    sides.engine.refuse = lambda *_: ItemResult(403, "security_exception")

    certificate = sides.verify(repair=True)

    assert (certificate.repaired, found(certificate)) == (0, {"missing": 1})
    assert certificate.unrepaired.shown[0].why == "security_exception"


def test_without_repair_nothing_is_written(sides):
    sides.table.items.append(order("new"))
    sides.alter("b", ddb={"digest": "0"})
    before = len(sides.engine.bodies)

    sides.verify()

    assert len(sides.engine.bodies) == before


# -- usage --------------------------------------------------------------------------------------------------------


def test_a_table_without_any_index_is_the_users_mistake():
    sides = Sides()
    sides.table.items.append(order("a"))

    with pytest.raises(UserError, match=r"OpenSearch has no index of table orders \(no alias orders\): create it"):
        sides.verify()


def test_a_key_that_is_not_the_tables_is_the_users_mistake(sides):
    with pytest.raises(UserError, match=r"tables.orders.key: the table's key is \[id\]; correct the tables file"):
        with_spec(sides, key=["customer"]).verify()


def test_a_certificate_holds_ids_and_field_names_and_no_values(sides):
    sides.alter("b", status="SECRET")
    sides.table.items[0] = order("a", status={"S": "SECRET"})

    printed = orjson.dumps(sides.verify(deep=True, repair=True).as_dict())

    assert b"SECRET" not in printed
    assert b'"fields":["status"]' in printed


def test_the_certificate_names_what_was_compared(sides):
    certificate = sides.verify().as_dict()

    assert certificate["indices"] == [{"alias": "orders", "index": "orders@000001", "is_written": True}]
    assert (certificate["table"], certificate["clean"], certificate["deep"]) == ("orders", True, False)
    assert (certificate["started_at"], certificate["lag_seconds"]) == ("2023-11-14T22:13:20.000+00:00", 5.0)
