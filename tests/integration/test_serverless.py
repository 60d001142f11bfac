"""OpenSearch Serverless, as far as it is written down: nothing that a collection refuses is asked of it (trap 26)."""

import orjson
import pytest
import requests
import yaml
from botocore.credentials import Credentials
from builders import SECOND, Indexer, change_record, order
from serverless_gate import CollectionGate
from sigv4_verifier import REGION

from tailrace.adapters.composition import build_pipeline
from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.memory_sides import MemoryTable
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.signing import SigV4
from tailrace.adapters.tombstones import OpenSearchTombstones
from tailrace.delivery import DeliveryPolicy
from tailrace.generations import build_index_request
from tailrace.settings import read_settings
from tailrace.sweeping import Sweeper
from tailrace.tables import load_tables
from tailrace.verifying import VerifyOptions, verify_table
from tailrace_cli.main import run

pytestmark = pytest.mark.slow
KEYS = Credentials("AKIDEXAMPLE", "secret-1")


@pytest.fixture
def gate(engine_url):
    with CollectionGate(upstream=engine_url) as gate:
        yield gate


@pytest.fixture
def indexer(gate, corner):
    specs = load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"]}}})
    with requests.Session() as session:
        engine = OpenSearchEngine(gate.url, SigV4("aoss", REGION, KEYS), session, is_serverless=True)
        yield Indexer(tables=specs, engine=engine)


@pytest.fixture
def refresh(opensearch, corner):
    """What a collection does by itself after some seconds."""
    return lambda: opensearch.request("POST", f"/{corner}*/_refresh")


def test_trap_26_the_indexer_asks_nothing_that_a_collection_refuses(indexer, gate, corner):
    counts = indexer.counts(
        change_record(new=order("a"), sequence=1),
        change_record(new=order("b"), sequence=2),
        change_record(new=order("c", created={"S": "x" * 40_000}), sequence=3),
    )
    removed = indexer.counts(change_record("REMOVE", old=order("b"), sequence=4))
    stale = indexer.counts(change_record(new=order("b"), sequence=2))

    assert (counts, removed, stale) == ({"indexed": 3}, {"deleted": 1}, {"stale": 1})
    assert gate.refusals == []


def test_trap_26_the_sweeper_asks_nothing_that_a_collection_refuses(indexer, gate, refresh):
    indexer.index(*(change_record("REMOVE", old=order(f"o-{n}"), sequence=n) for n in range(1, 8)))
    indexer.clock.seconds = SECOND + 15 * 86_400
    refresh()

    sweeper = Sweeper(indexer.tables, OpenSearchTombstones(indexer.engine), indexer.clock, 5)
    first = sweeper.sweep(indexer.clock.now() + 30).as_dict()
    refresh()
    second = sweeper.sweep(indexer.clock.now() + 30).as_dict()

    # What was removed is found until the collection refreshes, so a sweep of an index ends with its first page.
    assert (first["removed"], first["failed"], first["is_finished"]) == (5, 0, False)
    assert (second["removed"], second["is_finished"]) == (2, True)
    assert gate.refusals == []


def test_trap_26_verify_asks_nothing_that_a_collection_refuses(indexer, gate, refresh):
    items = [order(f"o-{n}") for n in range(20)]
    indexer.index(*(change_record(new=item, sequence=n) for n, item in enumerate(items, 1)))
    refresh()
    options = VerifyOptions(lag_seconds=0, is_deep=True, repair_with=indexer.engine)

    table = MemoryTable("orders", {"id": "S"}, items[1:])
    certificate = verify_table(indexer.tables, table, OpenSearchIndex(indexer.engine), indexer.clock, options)

    assert {kind: count for kind, count in certificate.as_dict()["differences"].items() if count} == {"orphan": 1}
    assert gate.refusals == []


def test_an_index_of_a_collection_has_the_mapping_and_the_alias_and_no_settings(indexer, opensearch, corner):
    request = build_index_request(indexer.tables.spec("orders"), f"{corner}orders")

    assert indexer.engine.ensure_index(f"{corner}orders", request) is True

    assert opensearch.has_alias(f"{corner}orders")
    made = opensearch.request("GET", f"/{corner}orders")[f"{corner}orders@000001"]
    assert made["mappings"]["_meta"] == request["mappings"]["_meta"]
    assert "refresh_interval" not in made["settings"]["index"]


@pytest.mark.parametrize("kind", ["TIMESERIES", "VECTORSEARCH"])
def test_failure_61_a_collection_of_another_type_fails_the_batch_and_drops_nothing(indexer, gate, kind):
    gate.type = kind

    account = indexer.index(*(change_record(new=order(f"o-{n}"), sequence=n) for n in range(1, 40))).account.as_dict()

    assert (account["failed"], account["dead_lettered"]) == (39, 0)
    assert indexer.letters.letters == {}


@pytest.fixture
def apply(gate, corner, tmp_path, monkeypatch, capsys):
    """Runs `tailrace tables apply` against the collection; exit status, output, error text."""
    (tmp_path / "tables.yaml").write_text(
        yaml.safe_dump({"defaults": {"index_prefix": corner}, "tables": {"orders": {}}})
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)

    def do(*options):
        arguments = ["--file", str(tmp_path / "tables.yaml"), "--url", gate.url, "--service", "aoss", "--json"]
        status = run(["tables", "apply", *arguments, *options])
        output = capsys.readouterr()
        return status, output.out, output.err

    return do


def test_trap_26_apply_creates_the_indices_of_a_collection(apply, gate):
    states = [orjson.loads(apply()[1])["aliases"][0]["state"] for _ in range(2)]

    assert states == ["created", "exists"]
    assert gate.refusals == []


@pytest.mark.parametrize("kind", ["TIMESERIES", "VECTORSEARCH"])
def test_failure_61_apply_says_that_a_collection_is_of_the_wrong_type(apply, gate, kind):
    gate.type = kind

    status, out, err = apply()

    assert (status, out) == (2, "")
    assert err == (
        f"Error: OpenSearch at {gate.url} cannot be used: the collection takes no document ids: "
        "it has to be of type SEARCH, and a type cannot be changed\n"
    )


@pytest.mark.parametrize(
    ("ignored", "why"),
    [
        (b'"version_type":"external",', "the collection does not refuse an older external version"),
        (b'"if_seq_no":0,', "the collection ignores if_seq_no"),
    ],
)
def test_apply_refuses_a_collection_that_could_bring_an_old_change_back(apply, gate, ignored, why):
    gate.ignores = ignored

    status, out, err = apply()

    assert (status, out) == (2, "")
    assert f"cannot be used: {why}" in err


def test_the_check_of_a_collection_leaves_nothing_behind(apply, opensearch, refresh, corner):
    apply()
    refresh()

    assert opensearch.request("GET", f"/{corner}orders@000001/_count")["count"] == 0


def test_on_a_collection_a_refused_document_is_a_dead_letter_and_nothing_is_probed(gate, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-1")
    (tmp_path / "tables.yaml").write_text(yaml.safe_dump({"tables": {"orders": {}}}))
    environment = {"TAILRACE_TABLES": str(tmp_path / "tables.yaml"), "OPENSEARCH_URL": gate.url}
    environment |= {"DEAD_LETTER_BUCKET": "letters", "AWS_REGION": REGION}

    def policies(service):
        specs = build_pipeline(read_settings(environment | {"OPENSEARCH_SERVICE": service})).tables
        return specs.spec("orders").on_type_conflict, specs.spec("undeclared").on_type_conflict

    assert policies("none") == ("quarantine", "quarantine")
    assert policies("aoss") == ("dead_letter", "dead_letter")


def test_a_body_of_more_than_10_mib_is_never_sent(indexer, gate):
    indexer.policy = DeliveryPolicy(max_bulk_bytes=10 * 1024 * 1024)
    blob = {"S": "x" * 300_000}

    counts = indexer.counts(*(change_record(new=order(f"o-{n}", blob=blob), sequence=n) for n in range(1, 60)))

    assert counts == {"indexed": 59}
    assert max(map(len, gate.bodies)) <= 10 * 1024 * 1024
    assert gate.refusals == []
