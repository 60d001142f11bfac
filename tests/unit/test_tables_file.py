"""The tables file: YAML and JSON alike, and one sentence for whatever is wrong with the file."""

import pytest

from tailrace.adapters.tables_file import read_document, read_tables
from tailrace.errors import UserError
from tailrace.tables import TablesError


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Writes a file into the current folder, so that messages show its bare name."""
    monkeypatch.chdir(tmp_path)

    def write(content, name="tables.yaml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    return write


def test_yaml_and_json_say_the_same(file):
    yaml = read_tables(file("tables: {orders: {key: [id]}}\n"))
    json = read_tables(file('{"tables": {"orders": {"key": ["id"]}}}', "tables.json"))

    assert yaml == json


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("2024-01-01", "2024-01-01"),
        ("007", "007"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("", None),
        ("-5", -5),
        ("1.5", 1.5),
        ("99999999999999999999999999999999999999", 99999999999999999999999999999999999999),
    ],
)
def test_a_plain_word_means_what_it_looks_like(file, written, value):
    assert read_document(file(f"value: {written}\n")) == {"value": value}


def test_merge_keys_are_no_repetition(file):
    document = read_document(file("base: &base {deletes: hard, shards: 2}\norders: {<<: *base, shards: 3}\n"))

    assert document == {"base": {"deletes": "hard", "shards": 2}, "orders": {"deletes": "hard", "shards": 3}}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("tables:\n  orders: a: b\n", "tables.yaml:2: not YAML: mapping values are not allowed here"),
        ("tables:\n\torders: {}\n", "tables.yaml:2: not YAML: found character '\\t' that cannot start any token"),
        ("tables: {}\n---\ntables: {}\n", "tables.yaml:2: not YAML: but found another document"),
        (
            "tables: !!python/object:os.system x\n",
            "tables.yaml:1: not YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("tables: \x07\n", "tables.yaml: not YAML: unacceptable character #x0007: special characters are not allowed"),
        (
            "tables:\n  orders:\n    key: [a]\n    key: [b]\n",
            'tables.yaml:4: the key "key" stands twice (first in line 3)',
        ),
        (b"\xff\xfe", "tables.yaml: not UTF-8 text (byte 0)"),
    ],
)
def test_a_broken_file_is_one_sentence_with_file_and_line(file, content, sentence):
    with pytest.raises(UserError) as caught:
        read_document(file(content))

    assert str(caught.value) == sentence


def test_broken_json_is_named_with_its_line(file):
    with pytest.raises(UserError, match=r"^tables.json:2: not JSON: unexpected character"):
        read_document(file('{"tables":\nx}', "tables.json"))


def test_a_missing_file_is_named(file):
    with pytest.raises(UserError, match=r"^nowhere.yaml: no such file$"):
        read_document("nowhere.yaml")


def test_a_folder_is_no_file(file, tmp_path):
    (tmp_path / "folder.yaml").mkdir()

    with pytest.raises(UserError, match=r"^folder.yaml: cannot be read: Is a directory$"):
        read_document("folder.yaml")


def test_another_suffix_is_refused(file):
    with pytest.raises(UserError, match=r"^tables.toml: a tables file ends in .yaml, .yml or .json$"):
        read_document(file("", "tables.toml"))


def test_mistakes_in_the_specs_carry_the_name_of_the_file(file):
    with pytest.raises(TablesError) as caught:
        read_tables(file("tables: {orders: {sorce: streams}}\n"))

    assert str(caught.value) == 'tables.yaml: tables.orders.sorce: unknown key; did you mean "source"?'


def test_an_empty_file_says_what_belongs_in_it(file):
    with pytest.raises(TablesError) as caught:
        read_tables(file("# nothing yet\n"))

    assert str(caught.value) == ("tables.yaml: the document is empty: it needs `tables:` with an entry for each table")
