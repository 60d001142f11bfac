"""`tailrace tables apply` on the real engine: creates what is missing, changes nothing, names what no longer fits."""

import orjson
import pytest
import yaml

from tailrace.generations import alias_name, build_index_request
from tailrace.tables import load_tables
from tailrace_cli.main import run

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]


@pytest.fixture
def apply(engine_url, corner, tmp_path, monkeypatch, capsys):
    """Writes tables.yaml with a prefix of its own and applies it; exit status, and (alias, state) pairs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENSEARCH_URL", engine_url)

    def do(*options, **tables):
        document = {"defaults": {"index_prefix": corner}, "tables": tables}
        (tmp_path / "tables.yaml").write_text(yaml.safe_dump(document))
        status = run(["tables", "apply", "--json", *options])
        aliases = orjson.loads(capsys.readouterr().out)["aliases"]
        return status, [(one["alias"].removeprefix(corner), one["state"], one["why"]) for one in aliases]

    return do


def test_what_is_missing_is_created_once(apply):
    assert apply(orders={}, planes={"type_attribute": "kind"}) == (
        0,
        [("orders", "created", ""), ("planes-default", "created", "")],
    )
    assert apply(orders={}, planes={"type_attribute": "kind"}) == (
        0,
        [("orders", "exists", ""), ("planes-default", "exists", "")],
    )


def test_a_dry_run_creates_nothing(apply, opensearch, corner):
    assert apply("--dry-run", orders={}) == (0, [("orders", "would create", "")])
    assert not opensearch.has_alias(f"{corner}orders")


def test_the_types_that_where_names_are_created(apply):
    planes = {"type_attribute": "kind", "filter": {"where": {"kind": ["Jet", "Glider"]}}}

    assert apply(planes=planes) == (0, [("planes-jet", "created", ""), ("planes-glider", "created", "")])


def test_an_index_made_from_an_older_spec_is_named_and_left_alone(apply, opensearch, corner):
    apply(orders={})

    assert apply(orders={"fields": {"total": {"type": "number"}}}) == (
        1,
        [("orders", "differs", "made from an older spec: reindex the table")],
    )
    assert "total" not in str(opensearch.request("GET", f"/{corner}orders/_mapping"))


def test_every_type_that_ever_came_is_compared(apply, opensearch, corner):
    planes = {"type_attribute": "kind"}
    spec = load_tables({"defaults": {"index_prefix": corner}, "tables": {"planes": planes}}).spec("planes")
    opensearch.ensure_index(alias_name(spec, "Jet"), build_index_request(spec, alias_name(spec, "Jet")))

    assert apply(planes=planes)[1] == [("planes-default", "created", ""), ("planes-jet", "exists", "")]
    assert apply(planes=planes | {"shards": 2}) == (
        1,
        [
            ("planes-default", "differs", "made from an older spec: reindex the table"),
            ("planes-jet", "differs", "made from an older spec: reindex the table"),
        ],
    )


def test_an_index_that_takes_the_name_of_an_alias_is_named(apply, opensearch, corner):
    opensearch.request("PUT", f"/{corner}orders")

    assert apply(orders={}) == (
        1,
        [("orders", "blocked", "an index has this name, so no alias can: delete or rename it")],
    )


def test_an_index_of_somebody_else_is_named(apply, opensearch, corner):
    opensearch.request("PUT", f"/{corner}orders@000001", {"aliases": {f"{corner}orders": {}}})

    assert apply(orders={}) == (1, [("orders", "differs", "the index is not Tailrace's")])


def test_a_mapping_that_the_engine_refuses_stops_its_table_alone(apply):
    status, aliases = apply(orders={"fields": {"note": {"type": "text", "analyzer": "none_such"}}}, planes={})

    assert (status, [(alias, state) for alias, state, _why in aliases]) == (
        1,
        [("orders", "blocked"), ("planes", "created")],
    )


def test_tables_that_share_an_index_make_it_once(apply):
    shared = {"index": "{prefix}shop"}

    assert apply(orders=shared, bills=shared) == (0, [("shop", "created", ""), ("shop", "exists", "")])
