"""Which way the demo's changes take, without a change to the repository's own tables."""

from pathlib import Path

import pytest

from tailrace.adapters.tables_file import read_tables
from tailrace.errors import UserError
from tailrace_local.demo.data import KEYS
from tailrace_local.demo.sources import UNRULY, compile_with_source, prepare_tables

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "tables.yaml"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A TAILRACE_HOME of the test's own."""
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path))
    return tmp_path


def test_by_streams_everything_is_as_the_repository_has_it():
    with prepare_tables(TABLES, "streams") as tables:
        options = tables.cloud_options()

    assert tables.specs == read_tables(TABLES)
    assert (options["variables"], options["kinesis_tables"]) == ({}, frozenset())


def test_by_kinesis_the_functions_are_pointed_to_another_compiled_file():
    with prepare_tables(TABLES, "kinesis") as tables:
        options = tables.cloud_options()
        seen = read_tables(options["variables"]["TAILRACE_TABLES"])

    assert seen == tables.specs
    assert {name: spec.source for name, spec in seen.specs.items()} == dict.fromkeys(KEYS, "kinesis")
    assert options["kinesis_tables"] == set(KEYS)
    assert options["destination"] == UNRULY


def test_the_file_goes_with_the_run(home):
    with prepare_tables(TABLES, "kinesis") as tables:
        file = Path(tables.variables["TAILRACE_TABLES"])
        existed = file.is_file()

    assert existed
    assert file.is_relative_to(home)
    assert not file.parent.exists()


def test_only_the_source_changes():
    document = {"tables": {"airlines": {"key": ["carrier"], "deletes": "hard"}, "orders": {"key": ["id"]}}}
    compiled = compile_with_source(document, "kinesis")

    assert compiled["tables"]["airlines"]["source"] == "kinesis"
    assert compiled["tables"]["airlines"]["deletes"] == "hard"
    assert compiled["tables"]["orders"]["source"] == "streams"


def test_a_wrong_file_is_refused_by_its_name(tmp_path):
    file = tmp_path / "tables.yaml"
    file.write_text("tables: {airlines: {keys: [carrier]}}")

    with pytest.raises(UserError, match=r"tables\.yaml"), prepare_tables(file, "kinesis"):
        pass
