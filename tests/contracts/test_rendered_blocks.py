"""tables.yaml, template.yaml and the compiled tables.json say the same: `tailrace tables render` has nothing to do."""

from pathlib import Path

import pytest

from tailrace.adapters.tables_file import read_document, read_tables
from tailrace_cli.rendering import render_compiled, render_template

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "tables.yaml"


def test_the_blocks_of_the_template_are_what_the_tables_file_says():
    template = (ROOT / "template.yaml").read_text()

    assert render_template(template, read_tables(TABLES)) == template


def test_the_compiled_tables_are_what_the_tables_file_says():
    compiled = ROOT / "layers/tailrace/tables.json"

    assert render_compiled(read_document(TABLES)) == compiled.read_bytes()
    assert read_tables(compiled) == read_tables(TABLES)


@pytest.mark.parametrize("change", ["  flights:\n", "    key: [id]\n"])
def test_a_change_of_the_tables_file_alone_is_noticed(tmp_path, change):
    changed = tmp_path / "tables.yaml"
    changed.write_text(TABLES.read_text().replace(change, change.replace("flights", "voyages").replace("[id]", "[no]")))

    assert render_compiled(read_document(changed)) != render_compiled(read_document(TABLES))
