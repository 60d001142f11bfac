"""Writes go to every generation that has an alias: the searched one, the next one, the previous one."""

import orjson
import pytest
from builders import SECOND, Indexer, change_record, order, tables

from tailrace.adapters.memory import MemoryEngine, MemoryItems
from tailrace.failures import EngineError
from tailrace.ports import ItemResult


def indexer(*aliases, **parts):
    return Indexer(engine=MemoryEngine(aliases=set(aliases)), **parts)


def outcomes(report):
    return {name: count for name, count in report.account.as_dict().items() if count and name != "records_in"}


@pytest.mark.parametrize("shadow", ["orders@next", "orders@previous"])
def test_a_change_is_written_to_the_searched_generation_and_to_its_shadow(shadow):
    each = indexer("orders", shadow)

    report = each.index(change_record())

    assert outcomes(report) == {"indexed": 1}
    assert each.engine.documents["orders", "o-1"] == each.engine.documents[shadow, "o-1"]
    assert each.engine.versions[shadow, "o-1"] == SECOND * 10**9


def test_a_shadow_of_another_alias_gets_nothing():
    each = indexer("orders", "invoices@next")

    each.index(change_record())

    assert list(each.engine.documents) == [("orders", "o-1")]


def test_failure_2_a_removal_leaves_a_tombstone_in_the_shadow_even_where_deletes_are_hard():
    each = indexer("orders", "orders@next", tables=tables(deletes="hard"))

    each.index(change_record())
    report = each.index(change_record(op="REMOVE", sequence=2))

    assert outcomes(report) == {"deleted": 1}
    assert ("orders", "o-1") not in each.engine.documents
    assert orjson.loads(each.engine.documents["orders@next", "o-1"])["ddb"]["deleted"] is True


def test_while_it_is_not_known_which_generations_there_are_nothing_is_written():
    class Blind(MemoryEngine):
        def read_shadows(self, aliases, timeout):
            raise EngineError(503, "no answer from the engine")

    each = Indexer(engine=Blind(aliases={"orders"}))

    report = each.index(change_record(), seconds=1)

    assert outcomes(report) == {"failed": 1}
    assert each.engine.bodies == []


def test_failure_29_a_role_that_may_not_read_aliases_fails_fast():
    class Forbidden(MemoryEngine):
        def read_shadows(self, aliases, timeout):
            raise EngineError(403, "the engine answered 403")

    each = Indexer(engine=Forbidden(aliases={"orders"}))

    report = each.index(change_record())

    assert [problem.reason for problem in report.problems] == ["http_403"]
    assert each.clock.slept == []


class Swapped(MemoryEngine):
    """A twin whose shadow goes just after the batch has asked for it."""

    def read_shadows(self, aliases, timeout):
        found = super().read_shadows(aliases, timeout)
        self.aliases -= found
        return found


def test_a_write_for_a_shadow_that_was_swapped_in_goes_to_the_read_alias():
    each = Indexer(engine=Swapped(aliases={"orders", "orders@next"}))

    report = each.index(change_record())

    assert outcomes(report) == {"indexed": 1}
    assert list(each.engine.documents) == [("orders", "o-1")]
    assert each.engine.aliases == {"orders"}


def test_a_shadow_that_refuses_a_document_makes_a_dead_letter():
    each = indexer("orders", "orders@next", tables=tables(on_type_conflict="dead_letter"))
    from tailrace.ports import ItemResult

    each.engine.refuse = lambda alias, id_, source: (
        ItemResult(400, "mapper_parsing_exception") if alias == "orders@next" else None
    )

    report = each.index(change_record(), change_record(new=order("o-2"), sequence=2))

    assert outcomes(report) == {"dead_lettered": 2}
    assert sorted(alias for alias, _ in each.engine.documents) == ["orders", "orders"]


def undecided(**parts):
    """An index and a shadow that hold a newer version of unknown order, so that the table has to be asked."""
    each = indexer("orders", "orders@next", **parts)
    each.index(change_record(new=order(status={"S": "NEW"})))
    for document in [("orders", "o-1"), ("orders@next", "o-1")]:
        kept = orjson.loads(each.engine.documents[document])
        kept["ddb"].update(seq=None, event_id="other")
        each.engine.documents[document] = orjson.dumps(kept)
    return each


def test_trap_1_what_the_table_says_of_a_conflict_is_written_to_the_shadow_too():
    each = undecided(items=MemoryItems({"orders": [order(status={"S": "NOW"})]}))

    assert outcomes(each.index(change_record("MODIFY", new=order(), old=order(), sequence=2))) == {"indexed": 1}
    assert {
        alias: orjson.loads(source)["status"] for (alias, _), source in each.engine.documents.items()
    } == {"orders": "NOW", "orders@next": "NOW"}  # fmt: skip


def test_failure_2_what_the_table_has_no_more_is_a_tombstone_in_the_shadow_even_where_deletes_are_hard():
    each = undecided(tables=tables(deletes="hard"), items=MemoryItems({"orders": []}))

    each.index(change_record("MODIFY", new=order(), old=order(), sequence=2))

    assert list(each.engine.documents) == [("orders@next", "o-1")]
    assert orjson.loads(each.engine.documents["orders@next", "o-1"])["ddb"]["deleted"] is True


def test_failure_2_what_a_search_has_seen_stands_in_the_shadow_already():
    each = indexer("orders", "orders@next")

    each.index(change_record())

    first, second = each.engine.bodies
    assert (b'"orders@next"' in first, b'"orders@next"' in second) == (True, False)


def test_while_a_shadow_does_not_take_a_change_no_search_sees_it():
    each = indexer("orders", "orders@next")
    each.engine.refuse = lambda alias, id_, source: ItemResult(429) if alias == "orders@next" else None

    report = each.index(change_record(), seconds=1)

    assert outcomes(report) == {"failed": 1}
    assert each.engine.visible("orders") == {}
