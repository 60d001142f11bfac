"""The demo refuses, in one sentence, a checkout that does not follow its five tables."""

import pytest

from tailrace.errors import UserError
from tailrace.tables import load_tables
from tailrace_local.demo.data import KEYS
from tailrace_local.demo.stages import refuse_other_tables


def declared(**changes):
    return load_tables({"tables": {name: {"key": list(key)} for name, key in KEYS.items()} | changes})


def test_the_five_tables_are_enough():
    assert refuse_other_tables(declared(orders={"key": ["id"]})) is None


def test_a_table_with_another_key_is_named():
    with pytest.raises(UserError, match=r"^tables.yaml: the demo needs the table planes with the key \[tailnum\]"):
        refuse_other_tables(declared(planes={"key": ["serial"]}))


def test_a_missing_table_is_named():
    without = load_tables({"tables": {"airlines": {"key": ["carrier"]}}})

    with pytest.raises(UserError, match=r"^tables.yaml: the demo needs the table airports with the key \[faa\]"):
        refuse_other_tables(without)
