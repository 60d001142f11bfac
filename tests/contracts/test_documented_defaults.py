"""Failure 84: what the documents say one may set can be set, and has an effect; its documented default is the code's.

The tables of the documents are the input here; a row that is misspelled, or a default that is not so, fails.
"""

import re
from pathlib import Path

import click
import pytest
import yaml

from tailrace.errors import UserError
from tailrace.settings import (
    OPENSEARCH_SERVICES,
    SettingsError,
    read_reindexer_settings,
    read_replayer_settings,
    read_replicator_settings,
    read_settings,
)
from tailrace.tables import load_tables
from tailrace_cli.main import tailrace
from tailrace_local.cloudformation import load_document

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
DATA_MODEL = (ROOT / "docs/data-model.md").read_text(encoding="utf-8")
TEMPLATE = load_document(ROOT / "template.yaml")


def documented(page: str, heading: str) -> dict[str, str]:
    """The first and the last column of the table that begins like this; several names of a row apart."""
    table = page.partition(f"| {heading} | ")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in table]
    return {name: row[-1] for row in rows for name in re.findall(r"`([^`]+)`", row[0])}


def code(text: str) -> str:
    """What is in code of a cell, or the cell."""
    found = re.match(r"`([^`]*)`$", text)
    return found[1] if found else text


# -- variables of the functions ---------------------------------------------------------------------------------------

VARIABLES = documented(README, "Variable")
OF_SDK = "AWS_ENDPOINT_URL"  # read by the SDK itself
READERS = [read_settings, read_replicator_settings, read_replayer_settings, read_reindexer_settings]
REQUIRED = {
    "TAILRACE_TABLES": "/opt/tables.json",
    "OPENSEARCH_URL": "https://search.example",
    "DEAD_LETTER_BUCKET": "letters",
    "TAILRACE_KINESIS_STREAM": "changes",
}
ANOTHER = {
    "OPENSEARCH_SERVICE": "none",
    "AWS_REGION": "eu-central-1",
    "TAILRACE_MAX_HOPS": "6",
    "TAILRACE_MAX_BULK_BYTES": "1048576",
    "TAILRACE_GZIP": "on",
    "TAILRACE_TIME_MARGIN_MS": "7000",
    "TAILRACE_FENCE_SECONDS": "60",
}


def all_settings(environment):
    return [read(environment) for read in READERS]


def test_failure_84_these_variables_of_functions_are_documented():
    assert VARIABLES.keys() == {*REQUIRED, *ANOTHER, OF_SDK}
    assert {name for name, default in VARIABLES.items() if default == "required"} == REQUIRED.keys()


@pytest.mark.parametrize("name", ANOTHER)
def test_failure_84_a_documented_default_of_a_variable_is_what_is_taken_without_it(name):
    assert all_settings(REQUIRED | {name: code(VARIABLES[name])}) == all_settings(REQUIRED)


@pytest.mark.parametrize("name", ANOTHER)
def test_failure_84_a_documented_variable_has_an_effect(name):
    assert all_settings(REQUIRED | {name: ANOTHER[name]}) != all_settings(REQUIRED)


@pytest.mark.parametrize("name", REQUIRED)
def test_failure_84_a_required_variable_is_required_under_its_documented_name(name):
    rest = {key: value for key, value in REQUIRED.items() if key != name}

    with pytest.raises(SettingsError, match=f"^{name} is not set"):
        all_settings(rest)


@pytest.mark.parametrize("service", OPENSEARCH_SERVICES)
def test_failure_84_a_documented_word_for_a_service_is_taken(service):
    assert f"`{service}`" in README.partition("| `OPENSEARCH_SERVICE` |")[2].partition("\n")[0]
    assert read_settings(REQUIRED | {"OPENSEARCH_SERVICE": service}).opensearch_service == service


# -- parameters of the template ---------------------------------------------------------------------------------------

PARAMETERS = documented(OPERATIONS, "Parameter")
WORDS = {"empty": "", "none": None, "`none`; `create` when a table has `source: kinesis`": "none"}
PLACEHOLDER = "arn:aws:es:::domain/none"  # stands for none where a pattern wants an ARN


def test_failure_84_these_parameters_are_documented():
    assert PARAMETERS.keys() == TEMPLATE["Parameters"].keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_failure_84_a_documented_default_of_a_parameter_is_that_of_the_template(name):
    default = TEMPLATE["Parameters"][name].get("Default")

    told = WORDS.get(PARAMETERS[name], code(PARAMETERS[name]))
    assert (None if default in (None, PLACEHOLDER) else str(default)) == told


@pytest.mark.parametrize(
    ("variable", "parameter"),
    [
        ("OPENSEARCH_SERVICE", "OpenSearchService"),
        ("TAILRACE_MAX_BULK_BYTES", "MaxBulkBytes"),
        ("TAILRACE_GZIP", "GzipRequests"),
    ],
)
def test_failure_84_a_variable_and_its_parameter_have_one_default(variable, parameter):
    assert code(VARIABLES[variable]) == code(PARAMETERS[parameter])


def test_failure_84_a_variable_that_the_template_sets_has_its_default():
    given = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    literal = {name: value for name, value in given.items() if isinstance(value, str) and name in ANOTHER}

    assert literal == {name: code(VARIABLES[name]) for name in literal}
    assert "TAILRACE_TIME_MARGIN_MS" in literal


# -- keys of tables.yaml ----------------------------------------------------------------------------------------------

KEYS = documented(DATA_MODEL, "Key of a table")
KEYS_OF_DEFAULTS = documented(DATA_MODEL, "Key of the defaults")
OTHER_VALUES = {
    "key": ["customer", "id"],
    "source": "kinesis",
    "type_attribute": "kind",
    "index": "{prefix}{table}-x",
    "fields": {"total": {"type": "number"}},
    "filter": {"exclude_ttl_deletes": True},
    "deletes": "hard",
    "tombstone_days": 30,
    "on_type_conflict": "dead_letter",
    "shards": 3,
}
OTHER_DEFAULTS = {"index_prefix": "test-", "unknown_tables": "refuse"}
SAYABLE = {name: yaml.safe_load(code(text)) for name, text in KEYS.items() if re.fullmatch(r"`[a-z_]+`|\d+", text)}


def orders(**settings):
    return load_tables({"tables": {"orders": settings}})


def defaults(**settings):
    return load_tables({"defaults": settings, "tables": {"orders": {}}})


def test_failure_84_these_keys_are_documented():
    assert KEYS.keys() == OTHER_VALUES.keys()
    assert KEYS_OF_DEFAULTS.keys() == OTHER_DEFAULTS.keys()
    assert SAYABLE.keys() == {"source", "deletes", "tombstone_days", "on_type_conflict", "shards"}


@pytest.mark.parametrize("name", SAYABLE)
def test_failure_84_a_documented_default_of_a_key_is_what_silence_means(name):
    assert orders(**{name: SAYABLE[name]}) == orders()
    assert defaults(**{name: SAYABLE[name]}) == orders()


@pytest.mark.parametrize(("name", "value"), OTHER_VALUES.items())
def test_failure_84_a_documented_key_of_a_table_has_an_effect(name, value):
    assert orders(**{name: value}) != orders()


@pytest.mark.parametrize(("name", "value"), OTHER_DEFAULTS.items())
def test_failure_84_a_documented_key_of_the_defaults_has_an_effect(name, value):
    assert defaults(**{name: value}) != orders()


@pytest.mark.parametrize(("name", "text"), [("index_prefix", ""), ("unknown_tables", "follow_defaults")])
def test_failure_84_a_documented_default_of_the_defaults_is_what_silence_means(name, text):
    assert code(KEYS_OF_DEFAULTS[name]).replace("empty", "") == text
    assert defaults(**{name: text}) == orders()


def test_failure_84_a_documented_index_pattern_is_the_default():
    alone, typed = re.findall(r"`(\{prefix\}[^`]*)`", KEYS["index"])

    assert orders(index=alone) == orders()
    assert orders(type_attribute="kind", index=typed) == orders(type_attribute="kind")


@pytest.mark.parametrize("name", ["tombstone_day", "typ_attribute", "on_conflict"])
def test_failure_84_a_misspelled_key_is_refused_by_name(name):
    with pytest.raises(UserError, match=name):
        orders(**{name: "x"})


# -- options of the command line --------------------------------------------------------------------------------------


def option(command, name):
    found = tailrace
    for word in command.split():
        found = found.get_command(click.Context(found), word)
    return next(each for each in found.params if f"--{name}" in each.opts)


@pytest.mark.parametrize(
    ("command", "name", "page", "told"),
    [
        ("demo", "records", README, "loads N items ({:,} without the option)"),
        ("verify", "lag", OPERATIONS, "`--lag` seconds apart ({:g} without the option)"),
        ("replay", "max-hops", README, "of `tailrace replay` | `{}` |"),
    ],
)
def test_failure_84_a_documented_default_of_an_option_is_what_is_taken_without_it(command, name, page, told):
    assert told.format(option(command, name).default) in page


def test_failure_84_no_page_tells_of_an_option_default_that_is_not_checked_here():
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]

    assert sum(page.count("without the option)") for page in pages) == 2
