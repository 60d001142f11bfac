"""OpenSearch 2.19.4, put together from its parts: what it can do, where it differs from 3.7, and how it is secured."""

from dataclasses import replace

import orjson
import pytest
import requests
from builders import Indexer, change_record, order

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.failures import EngineError
from tailrace.generations import build_index_request
from tailrace.tables import load_tables
from tailrace_local.engine import Engine
from tailrace_local.engine_flags import EngineSpec
from tailrace_local.engine_security import Security

pytestmark = pytest.mark.slow

SECOND = EngineSpec(version="2.19.4", heap="256m")
TARGET = {"processors": [{"set": {"field": "_index", "value": "{{{target}}}"}}]}
STORED = {"script": {"lang": "painless", "source": "ctx._source.n += 1"}}


@pytest.fixture(scope="module")
def engine():
    """One server that lives as long as this module's tests, and leaves the folder of another test alone."""
    with Engine(SECOND) as running:
        yield running


@pytest.fixture
def ask(engine):
    """One request that succeeds, and its answer."""

    def call(method, path, body=None):
        response = requests.request(method, engine.url + path, json=body, timeout=30)
        response.raise_for_status()
        return response.json()

    return call


@pytest.fixture
def indexer(engine):
    fields = {"amount": {"type": "number"}, "born": {"type": "date"}}
    specs = load_tables({"tables": {"orders": {"key": ["id"], "fields": fields}}})
    yield Indexer(tables=specs, engine=OpenSearchEngine(engine.url))
    requests.delete(f"{engine.url}/orders@*", timeout=30)


def test_the_assembled_server_has_its_version_and_all_its_modules(ask):
    modules = [module["name"] for node in ask("GET", "/_nodes/plugins")["nodes"].values() for module in node["modules"]]

    assert ask("GET", "/")["version"]["number"] == "2.19.4"
    assert sorted(modules) == [
        "aggs-matrix-stats",
        "geo",
        "ingest-common",
        "lang-mustache",
        "lang-painless",
        "mapper-extras",
        "parent-join",
        "percolator",
        "rank-eval",
        "reindex",
        "transport-netty4",
    ]


def test_its_modules_work_and_not_merely_load(ask):
    fields = {"price": {"type": "scaled_float", "scaling_factor": 100}, "area": {"type": "geo_shape"}}
    ask("PUT", "/parts", {"mappings": {"properties": fields}})
    ask("PUT", "/routed")
    ask("PUT", "/_ingest/pipeline/route", TARGET)
    ask("PUT", "/parts/_doc/1?refresh=true", {"n": 1, "price": 1.25})
    ask("POST", "/parts/_update/1?refresh=true", STORED)
    ask("PUT", "/parts/_doc/2?pipeline=route", {"target": "routed"})

    assert ask("GET", "/parts/_source/1")["n"] == 2
    assert ask("POST", "/parts/_update_by_query", STORED)["updated"] == 1
    assert ask("GET", "/routed/_doc/2")["found"]
    ask("DELETE", "/parts,routed")


def test_a_field_that_only_2_refuses_is_set_apart_there(indexer):
    indexer.index(change_record(new=order("a", amount={"N": "1"}, born={"S": "2026-11-21"})))
    wrong = order("b", amount={"M": {"x": {"N": "1"}}}, born={"M": {"y": {"N": "2"}}})

    counts = indexer.counts(change_record(new=wrong, sequence=2))

    stored = orjson.loads(requests.get(f"{indexer.engine.url}/orders/_source/b", timeout=10).content)
    assert counts == {"indexed": 1}
    assert sorted(stored["ddb"]["rejected"]) == ["amount", "born"]


def test_a_date_format_that_only_3_knows_is_refused_in_one_sentence(indexer):
    document = {"tables": {"orders": {"key": ["id"], "fields": {"at": {"type": "date", "format": "epoch_micros"}}}}}
    spec = load_tables(document).spec("orders")

    with pytest.raises(EngineError, match=r"400 mapper_parsing_exception .*Invalid format: \[epoch_micros\]"):
        indexer.engine.ensure_index("orders", build_index_request(spec, "orders"))


def test_a_killed_server_finds_its_data_again_at_the_same_url(engine, ask):
    ask("PUT", "/words")
    ask("PUT", "/words/_doc/1", {"word": "kept"})
    url, pid = engine.url, engine.pid

    engine.kill()
    engine.start()

    assert (engine.url, engine.pid != pid) == (url, True)
    assert ask("GET", "/words/_source/1") == {"word": "kept"}


def test_a_secured_server_answers_its_administrator_alone_and_knows_him_again_after_a_restart(tmp_path):
    tmp_path.chmod(0o755)
    security = Security()
    with Engine(replace(SECOND, security=security), directory=tmp_path / "engine") as engine:
        assert requests.get(engine.url, timeout=10).status_code == 401
        assert requests.get(engine.url, auth=(security.user, "wrong"), timeout=10).status_code == 401

        engine.restart()

        assert requests.get(engine.url, auth=security.login, timeout=10).json()["version"]["number"] == "2.19.4"
        assert security.password not in engine.layout.log.read_text()
        files = [path for path in engine.layout.config.rglob("*") if path.is_file()]
        assert not [path.name for path in files if security.password.encode() in path.read_bytes()]
