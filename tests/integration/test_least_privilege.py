"""Least privilege on a real OpenSearch with the security plugin: each role of the docs does its work, and nothing else.

The roles are the files of `docs/security-roles`, word for word.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from builders import SECOND, Indexer, change_record, event, order, sequence_number
from privileges import Domain, read_role, rights, specs, without
from reindex_builders import ListSlice, ListSource, World
from requests.auth import HTTPBasicAuth

from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.memory import ManualClock, MemoryItems
from tailrace.adapters.memory_sides import MemoryTable
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.tombstones import OpenSearchTombstones
from tailrace.deadletters import History
from tailrace.decoding import decode_event
from tailrace.expectations import scan_record
from tailrace.failures import EngineError
from tailrace.jobs import JobStore
from tailrace.loading import LoadError
from tailrace.metrics import measure_batch
from tailrace.pipeline import Pipeline
from tailrace.swapping import build_next_request
from tailrace.sweeping import Sweeper
from tailrace.verifying import VerifyOptions, verify_table
from tailrace_cli.applying import apply_tables
from tailrace_local.engine import Engine
from tailrace_local.engine_flags import EngineSpec
from tailrace_local.engine_security import Security

pytestmark = pytest.mark.slow

DAY = 86_400
OPERATIONS = Path(__file__).resolve().parents[2] / "docs/operations.md"
MAP = {"M": {"x": {"N": "1"}}}


@pytest.fixture(scope="module")
def domain():
    """One secured engine for this module."""
    security = Security()
    with Engine(EngineSpec(version="2.19.4", heap="256m", security=security)) as engine:
        domain = Domain(engine.url, security.login)
        domain.introduce()
        yield domain


@pytest.fixture
def indexer(domain):
    """Makes an indexer with a role."""

    def make(role=None, **tables):
        engine = domain.grant(read_role("indexer") if role is None else role)
        return Indexer(tables=specs(**tables), engine=engine)

    return make


def insert(id_, sequence=1, table="orders", **attributes):
    return change_record(new=order(id_, **attributes), sequence=sequence, table=table)


def remove(id_, sequence, table="orders"):
    return change_record("REMOVE", old=order(id_), sequence=sequence, second=SECOND + 1, table=table)


def outcomes(report):
    return {name: count for name, count in report.account.as_dict().items() if count and name != "records_in"}


def reasons(report):
    return [problem.reason for problem in report.problems]


# -- what each role is for -------------------------------------------------------------------------------------------


def index_everything(indexer):
    """Everything that the indexer and the replayer ask of the engine, as what became of it."""
    steps = [
        indexer.index(insert("a", 5)),
        indexer.index(insert("b", 6, colour={"S": "red"}, map=MAP)),
        indexer.index(insert("a", 4)),
        indexer.index(insert("c", 7, total=MAP, size={"N": "1"})),
        indexer.index(remove("b", 8)),
        indexer.index(insert("h", 9, "hard")),
        indexer.index(remove("h", 10, "hard")),
        replay(indexer, insert("a", 5)),
    ]
    quarantined = sum(step.counts.get("quarantined", 0) for step in steps)
    return [outcomes(step) for step in steps], quarantined, {reason for step in steps for reason in reasons(step)}


def replay(indexer, *records):
    items = MemoryItems({"orders": [order("a"), order("late")]})
    pipeline = Pipeline(indexer.tables, indexer.engine, indexer.letters, items, indexer.clock, indexer.policy)
    decoded = decode_event(event(*records))
    return pipeline.process(decoded, indexer.clock.now() + 30, [History(1, 1) for _ in decoded])


INDEXED = (
    [
        {"indexed": 1},
        {"indexed": 1},
        {"stale": 1},
        {"indexed": 1},
        {"deleted": 1},
        {"indexed": 1},
        {"deleted": 1},
        {"duplicate": 1},
    ],
    1,
    set(),
)


def sweep_everything(domain, *roles):
    """How many of one old tombstone were removed, and why not; or the error that ended the sweep."""
    engine = domain.grant(*roles)
    builder = Indexer(tables=specs(), engine=domain.as_admin())
    builder.index(insert("a"), remove("old", 2), insert("h", 3, "hard"))
    domain.refresh()
    builder.clock.seconds = SECOND + 15 * DAY
    try:
        report = Sweeper(builder.tables, OpenSearchTombstones(engine), builder.clock).sweep(builder.clock.now() + 30)
    except EngineError as error:
        return error.status
    return report.as_dict()["removed"], {each.reason for each in report.swept}


SWEPT = (1, {""})


def verify_everything(domain, *roles, repair=False):
    """A verification of a missing, a stale and an orphaned document; or the error that ended it."""
    engine = domain.grant(*roles)
    tables = specs()
    builder = Indexer(tables=tables, engine=domain.as_admin())
    builder.index(insert("same", 1), insert("stale", 2), insert("orphan", 3))
    domain.refresh()
    table = MemoryTable(items=[order("same"), order("stale", total={"N": "13"}), order("new")])
    options = VerifyOptions(repair_with=engine if repair else None, is_deep=True)
    try:
        certificate = verify_table(tables, table, OpenSearchIndex(engine), ManualClock(SECOND + 60), options)
    except EngineError as error:
        return error.status
    found = {kind: count for kind, count in certificate.differences.by_kind().items() if count}
    return found, certificate.repaired


DIFFERENT = {"missing": 1, "stale": 1, "orphan": 1}


def apply_everything(domain, *roles):
    """The states of the tables' indices before and after they were created; or the error that ended it."""
    engine = domain.grant(*roles)
    tables = specs(planes={"key": ["id"], "type_attribute": "kind"})
    try:
        twice = [apply_tables(engine, tables, is_dry_run=False) for _ in range(2)]
        return [[applied.state for applied in each] for each in twice]
    except EngineError as error:
        return error.status


APPLIED = [["created"] * 3, ["exists"] * 3]


GONE = {"id": {"S": "gone"}}


@dataclass(frozen=True)
class SliceOfChanges(ListSlice):
    """As an incremental export tells it: the items, and one that is gone."""

    def pages(self, position):
        for page in super().pages(position):
            yield page._replace(records=[*page.records, scan_record("orders", GONE, None, self.instant_ns)])


class Changes(ListSource):
    def slices(self, job):
        return [SliceOfChanges(each.table, each.number, each.total, each.instant_ns) for each in super().slices(job)]


def reindex_everything(domain, *roles, source=Changes, **orders):
    """A reindex, its way back, another one that ends it and is given up; or the error of the first step refused."""
    engine, writer = domain.grant(*roles), domain.as_admin()
    tables = specs(orders={"key": ["id"], "fields": {"total": {"type": "number", "format": "double"}}} | orders)
    live = World(tables, writer, OpenSearchIndex(writer))
    live.write(order("a", kind={"S": "plane"}))
    live.write(order("b", kind={"S": "plane"}))
    live.table.items.append(order("odd", total=MAP, kind={"S": "glider"}))
    world = replace(live, engine=engine, index=OpenSearchIndex(engine))
    reindexer = world.reindexer(source=source(world.table))
    try:
        is_clean = reindexer.run(reindexer.begin("job-1", 1)).is_clean
        reindexer.roll_back(JobStore(world.box).read("orders"))
        reindexer.announce(reindexer.begin("job-2", 1))
        reindexer.abort(JobStore(world.box).read("orders"))
    except EngineError as error:
        return error.status
    except LoadError as error:
        return str(error)
    return is_clean, generations_of(domain), live.letters.letters


def generations_of(domain):
    answer = domain.ask("GET", "/tailrace-*/_alias").json()
    return {name.removeprefix("tailrace-"): sorted(told["aliases"]) for name, told in sorted(answer.items())}


REINDEXED = (True, {"orders@000001": ["tailrace-orders"]}, {})


def make_shadows(domain, tables):
    """Indices of all tables, each with one generation under construction and one that was left."""
    list(apply_tables(domain.as_admin(), tables, is_dry_run=False))
    for name in ("orders", "hard"):
        alias = f"tailrace-{name}"
        request = build_next_request(tables.spec(name), alias, "job-1")
        domain.ask("PUT", f"/{alias}@000002", request)
        domain.ask("PUT", f"/{alias}@000003", request | {"aliases": {f"{alias}@previous": {}}})


THREE_GENERATIONS = [f"tailrace-orders@00000{number}" for number in (1, 2, 3)]


def documents_of(domain):
    """The ids in each generation, those of tombstones in brackets."""
    domain.refresh()
    hits = domain.ask("GET", "/tailrace-*/_search?size=100").json()["hits"]["hits"]
    found = {}
    for hit in hits:
        is_gone = hit["_source"]["ddb"].get("deleted")
        found.setdefault(hit["_index"], set()).add(f"({hit['_id']})" if is_gone else hit["_id"])
    return found


def test_the_indexers_role_suffices_for_all_that_indexer_and_replayer_do(indexer):
    made = indexer()

    assert index_everything(made) == INDEXED
    assert made.letters.letters == {}


def test_the_sweepers_role_suffices_for_a_sweep(domain):
    assert sweep_everything(domain, read_role("sweeper")) == SWEPT


def test_the_role_of_verify_suffices_to_find_every_difference(domain):
    assert verify_everything(domain, read_role("verify")) == (DIFFERENT, 0)


def test_a_repair_takes_the_indexers_role_too(domain):
    both = [read_role("verify"), read_role("indexer")]

    assert verify_everything(domain, *both, repair=True) == (DIFFERENT, 3)
    assert verify_everything(domain, read_role("verify"), repair=True) == (DIFFERENT, 0)


def test_the_role_of_apply_suffices_to_create_and_compare_indices(domain):
    assert apply_everything(domain, read_role("apply")) == APPLIED


def test_the_indexers_role_suffices_to_write_to_shadows_and_to_settle_there(domain, indexer):
    made = indexer()
    make_shadows(domain, made.tables)

    steps, quarantined, refused = index_everything(made)

    assert (steps, refused, made.letters.letters) == (INDEXED[0], set(), {})
    assert quarantined == 3  # the one document, in each of its generations
    assert documents_of(domain) == {
        **{generation: {"a", "(b)", "c"} for generation in THREE_GENERATIONS},
        "tailrace-hard@000002": {"(h)"},
        "tailrace-hard@000003": {"(h)"},
    }


def test_the_indexers_role_suffices_when_a_shadow_goes_before_the_write(indexer, monkeypatch):
    made = indexer()
    made.index(insert("a", 1))
    gone = frozenset({"tailrace-orders@next", "tailrace-orders@previous"})
    monkeypatch.setattr(made.engine, "read_shadows", lambda *_, **__: gone)

    assert outcomes(made.index(insert("b", 2), remove("a", 3))) == {"indexed": 1, "deleted": 1}


def test_the_indexers_role_suffices_for_a_replay_into_both_generations(domain, indexer):
    made = indexer()
    make_shadows(domain, made.tables)

    made.index(insert("a", 5))
    ends = [replay(made, insert(id_, sequence)) for id_, sequence in (("a", 5), ("a", 4), ("late", 6), ("gone", 7))]

    assert [outcomes(end) for end in ends] == [{"duplicate": 1}, {"stale": 1}, {"indexed": 1}, {"stale": 1}]
    assert documents_of(domain) == {generation: {"a", "late"} for generation in THREE_GENERATIONS}


@pytest.mark.parametrize("deletes", ["soft", "hard"])
def test_the_role_of_reindex_suffices_for_a_reindex_and_all_its_ends(domain, deletes):
    assert reindex_everything(domain, read_role("reindex"), deletes=deletes) == REINDEXED


def test_the_role_of_reindex_suffices_to_make_the_index_of_a_type_that_the_load_meets_first(domain):
    made = {"orders-glider@000001": ["tailrace-orders-glider"], "orders-plane@000001": ["tailrace-orders-plane"]}

    found = reindex_everything(domain, read_role("reindex"), source=ListSource, type_attribute="kind")

    assert found == (True, made, {})


# -- and that each right of it is needed -----------------------------------------------------------------------------


MISSING = {
    "cluster indices:data/write/bulk": "http_403",
    "cluster indices:data/read/mget": "http_403",
    "index indices:data/write/bulk[s]": "security_exception",
    "index indices:data/write/index": "security_exception",
    "index indices:data/write/delete": "security_exception",
    "index indices:data/read/mget[shard]": "http_403",
    "index indices:admin/mapping/put": "security_exception",
    "index indices:admin/aliases/get": "http_403",
    "index indices:admin/create": "http_403",
    "index indices:admin/aliases": "http_403",
}
SPARES_PROBES = "index indices:admin/get"


@pytest.mark.parametrize("right", MISSING)
def test_failure_29_without_a_right_the_records_that_need_it_fail_at_once_and_none_is_dropped(indexer, right):
    made = indexer(without(read_role("indexer"), right))
    started = made.clock.now()

    *_, failed = index_everything(made)

    assert failed == {MISSING[right]}
    assert (made.letters.letters, made.clock.now()) == ({}, started)


def test_every_right_of_the_indexer_is_accounted_for():
    assert {*MISSING, SPARES_PROBES} == set(rights(read_role("indexer")))


def test_without_the_right_to_read_mappings_quarantine_asks_more_and_ends_the_same(indexer):
    made = indexer(without(read_role("indexer"), SPARES_PROBES))

    assert index_everything(made) == INDEXED
    with pytest.raises(EngineError, match="403"):
        made.engine.read_fields("tailrace-orders")


@pytest.mark.parametrize("right", rights(read_role("sweeper")))
def test_the_sweeper_needs_each_right(domain, right):
    assert sweep_everything(domain, without(read_role("sweeper"), right)) in (
        403,
        (0, {"", "http_403"}),
        (0, {"http_403"}),
    )


@pytest.mark.parametrize("right", rights(read_role("verify")))
def test_verify_needs_each_right(domain, right):
    assert verify_everything(domain, without(read_role("verify"), right)) == 403


@pytest.mark.parametrize("right", rights(read_role("apply")))
def test_apply_needs_each_right(domain, right):
    assert apply_everything(domain, without(read_role("apply"), right)) == 403


NOT_LOADED = {
    "cluster indices:data/write/bulk": "http_403",
    "index indices:data/write/bulk[s]": "security_exception",
    "index indices:data/write/index": "security_exception",
    "index indices:admin/mapping/put": "security_exception",
}


@pytest.mark.parametrize("right", [right for right in rights(read_role("reindex")) if right != SPARES_PROBES])
def test_a_reindex_needs_each_right_and_says_which_kind_is_missing(domain, right):
    found = reindex_everything(domain, without(read_role("reindex"), right), deletes="hard")

    assert NOT_LOADED[right] in found if right in NOT_LOADED else found == 403


def test_without_the_right_to_read_mappings_a_reindex_ends_the_same(domain):
    assert reindex_everything(domain, without(read_role("reindex"), SPARES_PROBES)) == REINDEXED


# -- what no role may do ---------------------------------------------------------------------------------------------

BULK_OTHER = b'{"index":{"_index":"other-1","_id":"1"}}\n{"secret":"x"}\n'
DROP = {"actions": [{"remove_index": {"index": "other-1"}}]}
TRAP = {"actions": [{"add": {"index": "other-1", "alias": "tailrace-trap"}}]}
FORBIDDEN = {
    "read another index": ("POST", "/other-1/_search", {}),
    "read a document of another index": ("GET", "/other-1/_doc/1", None),
    "read the mapping of another index": ("GET", "/other-1/_mapping", None),
    "read all indices": ("POST", "/_search", {}),
    "write to another index": ("PUT", "/other-1/_doc/1", {"secret": "x"}),
    "change the mapping of another index": ("PUT", "/other-1/_mapping", {"properties": {"x": {"type": "keyword"}}}),
    "create another index": ("PUT", "/other-2", {}),
    "delete another index": ("DELETE", "/other-1", None),
    "delete an index of its own": ("DELETE", "/tailrace-orders@000001", None),
    "close an index of its own": ("POST", "/tailrace-orders@000001/_close", None),
    "change the settings of its own index": (
        "PUT",
        "/tailrace-orders@000001/_settings",
        {"index.number_of_replicas": 0},
    ),
    "walk over another index": ("POST", "/other-1/_search/point_in_time?keep_alive=1m", None),
    "refresh another index": ("POST", "/other-1/_refresh", None),
    "change the settings of another index": ("PUT", "/other-1/_settings", {"index.number_of_replicas": 0}),
    "delete another index beside an alias": ("POST", "/_aliases", DROP),
    "delete all indices": ("DELETE", "/*", None),
    "put its alias on another index": ("POST", "/_aliases", TRAP),
    "put its alias on another index by itself": ("PUT", "/other-1/_alias/tailrace-trap", {}),
    "make an index template": ("PUT", "/_index_template/t", {"index_patterns": ["other-*"]}),
    "make an ingest pipeline": ("PUT", "/_ingest/pipeline/p", {"processors": []}),
    "delete by a query": ("POST", "/tailrace-orders/_delete_by_query", {"query": {"match_all": {}}}),
    "copy its own index": ("POST", "/_reindex", {"source": {"index": "tailrace-orders"}, "dest": {"index": "other-1"}}),
    "read the cluster's settings": ("GET", "/_cluster/settings", None),
    "change the cluster's settings": ("PUT", "/_cluster/settings", {"transient": {"action.auto_create_index": True}}),
    "read the cluster's health": ("GET", "/_cluster/health", None),
    "read the health of its own index": ("GET", "/_cluster/health/tailrace-orders", None),
    "read about the nodes": ("GET", "/_nodes", None),
    "make a snapshot repository": ("PUT", "/_snapshot/s", {"type": "fs", "settings": {"location": "/tmp"}}),
    "read roles": ("GET", "/_plugins/_security/api/roles", None),
    "give itself rights": ("PUT", "/_plugins/_security/api/rolesmapping/all_access", {"users": ["subject"]}),
}
OF_REINDEX = {"delete an index of its own", "change the settings of its own index"}


@pytest.mark.parametrize("name", ["indexer", "sweeper", "verify", "apply"])
def test_other_indices_and_the_cluster_are_closed_to_each_role(domain, name):
    domain.grant(read_role(name))
    Indexer(tables=specs(), engine=domain.as_admin()).index(insert("a"))

    answers = {what: domain.ask_as_subject(*call).status_code for what, call in FORBIDDEN.items()}

    assert answers == dict.fromkeys(FORBIDDEN, 403)
    assert domain.ask("GET", "/other-1/_count").json()["count"] == 0


def test_other_indices_and_the_cluster_are_closed_to_the_role_of_reindex(domain):
    domain.grant(read_role("reindex"))
    Indexer(tables=specs(), engine=domain.as_admin()).index(insert("a"))
    calls = {what: call for what, call in FORBIDDEN.items() if what not in OF_REINDEX}

    answers = {what: domain.ask_as_subject(*call).status_code for what, call in calls.items()}

    assert answers == dict.fromkeys(calls, 403)
    assert domain.ask("GET", "/other-1/_count").json()["count"] == 0


@pytest.mark.parametrize("name", ["indexer", "sweeper", "reindex"])
def test_a_write_to_another_index_is_refused_item_by_item(domain, name):
    domain.grant(read_role(name))

    answer = domain.ask_as_subject("POST", "/_bulk", BULK_OTHER).json()

    assert [item["index"]["status"] for item in answer["items"]] == [403]


def test_a_read_of_another_index_is_refused_document_by_document(domain):
    engine = domain.grant(read_role("indexer"))

    with pytest.raises(EngineError, match="security_exception") as caught:
        engine.read_stored([("other-1", "1")])
    assert caught.value.status == 403


def test_trap_an_alias_of_ours_on_another_index_would_open_that_index(domain):
    domain.grant(read_role("indexer"))
    domain.ask("POST", "/_aliases", TRAP)

    written = domain.ask_as_subject("POST", "/_bulk", BULK_OTHER.replace(b"other-1", b"tailrace-trap")).json()

    domain.ask("DELETE", "/other-1/_alias/tailrace-trap")
    domain.ask("DELETE", "/other-1/_doc/1?refresh=true")
    assert [item["index"]["status"] for item in written["items"]] == [201]


def test_without_a_user_or_with_a_wrong_password_nothing_is_answered(domain):
    domain.grant(read_role("indexer"))
    nobody = Indexer(tables=specs(), engine=OpenSearchEngine(domain.url))
    wrong = Indexer(tables=specs(), engine=OpenSearchEngine(domain.url, auth=HTTPBasicAuth("subject", "wrong")))

    for made in (nobody, wrong):
        report = made.index(insert("a", 1), insert("b", 2))
        assert (outcomes(report), reasons(report)) == ({"failed": 2}, ["http_401"] * 2)
        assert report.first_unsettled == sequence_number(1)
        assert made.letters.letters == {}


# -- what the operator sees ------------------------------------------------------------------------------------------


def test_law_5_a_table_outside_the_role_fails_alone_and_its_neighbours_are_indexed(domain, indexer):
    made = indexer(secrets={"key": ["id"], "index": "elsewhere-{table}"})
    Indexer(tables=made.tables, engine=domain.as_admin()).index(insert("first", 1, "secrets"))

    report = made.index(insert("a", 2), insert("x", 3, "secrets"), insert("b", 4))

    assert outcomes(report) == {"indexed": 2, "failed": 1}
    assert measure_batch(report, 1.0, SECOND)["RefusedIdentities"] == 1
    assert (reasons(report), report.first_unsettled) == (["http_403"], sequence_number(3))
    assert made.letters.letters == {}


def test_a_role_that_may_not_create_indices_writes_to_those_that_apply_made(domain, indexer):
    strict = without(read_role("indexer"), "index indices:admin/create", "index indices:admin/aliases")
    made = indexer(strict)
    refused = made.index(insert("a"))

    list(apply_tables(domain.as_admin(), made.tables, is_dry_run=False))

    assert (outcomes(refused), reasons(refused)) == ({"failed": 1}, ["http_403"])
    assert index_everything(made) == INDEXED


def test_a_right_that_comes_back_lets_the_records_through_at_their_next_delivery(domain, indexer):
    made = indexer(without(read_role("indexer"), "index indices:admin/mapping/put"))
    refused = made.index(insert("a"), insert("b", 2))

    domain.ask("PUT", "/_plugins/_security/api/roles/first", read_role("indexer"))

    assert outcomes(refused) == {"failed": 2}
    assert outcomes(made.index(insert("a"), insert("b", 2))) == {"indexed": 2}


def test_the_docs_explain_every_right_of_every_role():
    text = OPERATIONS.read_text()
    named = {
        right.partition(" ")[2]
        for name in ("indexer", "sweeper", "verify", "apply", "reindex")
        for right in rights(read_role(name))
    }

    assert {right for right in named if f"`{right}`" not in text} == set()
