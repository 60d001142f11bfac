"""Signed requests on a real OpenSearch, through a gate that checks each signature over what arrives."""

import pytest
import requests
from botocore.credentials import Credentials
from builders import SECOND, Indexer, change_record, order
from sigv4_verifier import REGION, Gate

from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.signing import SigV4
from tailrace.adapters.tombstones import OpenSearchTombstones
from tailrace.generations import build_index_request
from tailrace.sides import Place
from tailrace.tables import load_tables

pytestmark = pytest.mark.slow
IDS = ["ORDER#1", "a/b?c", "50%+&", "with space", "größe", "a|b\\c", "."]


@pytest.fixture(params=["es", "aoss"])
def gate(request, engine_url):
    with Gate(request.param, engine_url) as gate:
        yield gate


@pytest.fixture(params=["plain", "gzip"])
def indexer(request, gate, corner):
    """An indexer whose engine is behind the gate."""
    specs = load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"]}}})
    auth = SigV4(gate.service, REGION, Credentials("AKIDEXAMPLE", "secret-1"))
    with requests.Session() as session:
        engine = OpenSearchEngine(gate.url, auth, session, is_gzipped=request.param == "gzip")
        yield Indexer(tables=specs, engine=engine)


def records(first=1, total="1", second=SECOND):
    items = [order(f"o-{number}", total={"N": total}) for number in range(60)]
    return [change_record(new=item, sequence=first + number, second=second) for number, item in enumerate(items)]


def test_failures_59_60_batches_are_indexed_and_conflicts_settled_behind_the_gate(indexer, gate, corner):
    created = indexer.counts(*records())
    again = indexer.counts(*records())
    newer = indexer.counts(*records(first=1_000, total="2"))

    assert (created, again, newer) == ({"indexed": 60}, {"duplicate": 60}, {"indexed": 60})
    assert gate.refusals == []
    assert {line.split("?")[0] for line in gate.lines} == {
        "POST /_bulk",
        "POST /_mget",
        f"GET /{corner}orders%40next,{corner}orders%40previous/_alias",
        f"HEAD /{corner}orders/_alias/{corner}orders",
        f"PUT /{corner}orders%40000001",
    }


def test_failure_85_ids_with_any_characters_pass_the_gate(indexer, gate, corner):
    counts = indexer.counts(*(change_record(new=order(id_), sequence=number) for number, id_ in enumerate(IDS, 1)))
    ids = [id_.replace("\\", "\\\\").replace("|", "\\|") for id_ in IDS]

    assert counts == {"indexed": len(IDS)}
    assert None not in indexer.engine.read_stored([(f"{corner}orders", id_) for id_ in ids])
    assert gate.refusals == []


def test_names_with_any_characters_pass_the_gate(indexer, gate, corner):
    odd = f"{corner}orders-=c3=b6=20x"
    request = build_index_request(indexer.tables.spec("orders"), odd)

    assert indexer.engine.ensure_index(odd, request) is True
    assert indexer.engine.ensure_index(odd, request) is False
    assert indexer.engine.read_fields(odd).names == {"ddb"}
    assert gate.refusals == []


def test_failure_59_a_lost_answer_is_asked_for_again_and_changes_nothing(indexer, gate, corner):
    indexer.index(*records())
    gate.drops = 1
    counts = indexer.counts(*records(first=1_000, total="2", second=SECOND + 1))

    assert counts == {"duplicate": 60}
    assert gate.refusals == []
    found = indexer.engine.read_stored([(f"{corner}orders", "o-7")])
    assert found[0].sequence_number.endswith("1007")


def test_the_sweeper_and_verify_pass_the_gate(indexer, gate, corner):
    indexer.index(*records())
    indexer.engine.request("POST", f"/{corner}orders/_refresh")
    index = OpenSearchIndex(indexer.engine)

    assert index.places(indexer.tables.spec("orders")) == [Place(f"{corner}orders", f"{corner}orders@000001", True)]
    with index.open_snapshot([f"{corner}orders@000001"], "orders") as snapshot:
        assert sum(map(len, snapshot.pages())) == 60
    assert [each.name for each in OpenSearchTombstones(indexer.engine).list_generations(corner)] == [
        f"{corner}orders@000001"
    ]
    assert gate.refusals == []


def test_a_refused_identity_fails_the_batch_and_drops_nothing(indexer, gate):
    gate.secrets = {}

    report = indexer.index(*records())

    assert report.account.as_dict()["failed"] == 60
    assert (len(gate.lines), len(gate.refusals)) == (0, 1)
    assert indexer.letters.letters == {}

    gate.secrets = {"AKIDEXAMPLE": ("secret-1", None)}
    assert indexer.counts(*records()) == {"indexed": 60}
