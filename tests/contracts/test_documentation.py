"""The documents keep up with the code: what can be named is named, what is named exists, what is rendered is equal."""

import ast
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest
import yaml
from builders import Indexer, change_record

from tailrace import attributes, bulk, delivery, failures, field_kinds, identity, index_names, mappings
from tailrace.field_kinds import FIELD_KINDS, NUMBER_FORMATS
from tailrace.metrics import METRIC_NAMES
from tailrace.outcomes import Outcome
from tailrace.replication import ReplicationOutcome
from tailrace.settings import read_reindexer_settings, read_replayer_settings, read_replicator_settings, read_settings
from tailrace.tables import load_tables
from tailrace_cli.main import tailrace
from tailrace_local.cloudformation import load_document

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
README, GUARANTEES = PAGES["README.md"], PAGES["docs/guarantees.md"]
DATA_MODEL, OPERATIONS = PAGES["docs/data-model.md"], PAGES["docs/operations.md"]
TEMPLATE = load_document(ROOT / "template.yaml")
SCHEMA = json.loads((ROOT / "tables.schema.json").read_text(encoding="utf-8"))
CODE = [*(ROOT / "layers/tailrace/tailrace").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
CODE_OF_COMMANDS = [*(ROOT / "local").rglob("*.py"), *(ROOT / "cli").rglob("*.py"), ROOT / "layers/tailrace/Makefile"]
TESTS = {
    name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
}
POLICY = delivery.DeliveryPolicy()
each_page = pytest.mark.parametrize("page", PAGES)


def rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| ")]


def has_row(page: str, name: str) -> bool:
    """Whether a table of the page has this name in its first column."""
    return any(f"`{name}`" in row.split(" | ")[0] for row in rows(page))


# -- what a user can name is named ------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_every_metric_has_its_meaning(metric):
    assert has_row(README, metric)


class Recorder(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        known = {"OPENSEARCH_URL": "http://x", "OPENSEARCH_SERVICE": "none", "TAILRACE_GZIP": "off"}
        return known.get(name, "5000")

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def variables_of_functions() -> set[str]:
    environment = Recorder()
    read_settings(environment)
    read_replicator_settings(environment)
    read_replayer_settings(environment)
    read_reindexer_settings(environment)
    return environment.asked


@pytest.mark.parametrize("variable", sorted(variables_of_functions()))
def test_every_variable_that_a_function_reads_has_its_meaning(variable):
    assert has_row(README, variable)


def variables_of_commands() -> set[str]:
    return {name for path in CODE_OF_COMMANDS for name in re.findall(r"TAILRACE_[A-Z_]+\b", path.read_text())}


@pytest.mark.parametrize("variable", sorted(variables_of_commands()))
def test_every_variable_of_the_command_line_and_the_builds_has_its_meaning(variable):
    assert has_row(README, variable)


def commands(command: click.Command = tailrace, path: tuple[str, ...] = ("tailrace",)) -> dict[str, click.Command]:
    """Every command that does something, by what is typed for it."""
    if not isinstance(command, click.Group):
        return {" ".join(path): command}
    context = click.Context(command)
    inner = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return {k: v for name, each in inner.items() if each for k, v in commands(each, (*path, name)).items()}


COMMANDS = commands()


def names_of(parameter: click.Parameter) -> list[str]:
    """Every spelling of a parameter, that of its opposite too."""
    return [*parameter.opts, *parameter.secondary_opts]


@pytest.mark.parametrize("typed", COMMANDS)
def test_every_command_has_one_row_with_all_its_options(typed):
    options = {name for each in COMMANDS[typed].params for name in names_of(each) if name.startswith("--")}
    arguments = {each.human_readable_name for each in COMMANDS[typed].params if isinstance(each, click.Argument)}
    (usage,) = [cell[0] for row in rows(README) if (cell := re.findall(rf"^\| `{typed}( [^`]*)?` \|", row))]

    assert options == set(re.findall(r"--[a-z-]+", usage))
    assert arguments <= set(usage.split())


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py")))
def test_every_function_has_its_row(folder):
    assert f"| [`{folder}`](functions/{folder}/app.py) |" in README


@pytest.mark.parametrize("event", sorted(str(path.relative_to(ROOT)) for path in (ROOT / "events").rglob("*.json")))
def test_every_event_file_has_its_row(event):
    assert any(row.startswith("| [") and f"({event})" in row for row in rows(README))


@pytest.mark.parametrize("outcome", sorted({each.name.lower() for each in (*Outcome, *ReplicationOutcome)}))
def test_every_outcome_has_its_meaning(outcome):
    assert has_row(GUARANTEES, outcome)


@pytest.mark.parametrize("parameter", TEMPLATE["Parameters"])
def test_every_parameter_of_the_template_has_its_meaning(parameter):
    assert has_row(OPERATIONS, parameter)


@pytest.mark.parametrize(
    "alarm", [name for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"]
)
def test_every_alarm_says_what_to_do(alarm):
    assert has_row(OPERATIONS, alarm)


def keys_of_tables() -> set[str]:
    parts = [SCHEMA["properties"]["defaults"], SCHEMA["$defs"]["table"]]
    parts.append(SCHEMA["$defs"]["table"]["properties"]["filter"])
    return {name for part in parts for name in part["properties"]}


@pytest.mark.parametrize("key", sorted(keys_of_tables()))
def test_every_key_of_a_tables_file_has_its_meaning(key):
    assert has_row(DATA_MODEL, key)


@pytest.mark.parametrize("kind", FIELD_KINDS)
def test_every_kind_of_field_has_its_row_with_all_that_may_be_said_of_it(kind):
    (row,) = [row for row in rows(DATA_MODEL) if row.startswith(f"| `{kind}` |")]

    assert all(f"`{option}`" in row for option in FIELD_KINDS[kind].options)


@pytest.mark.parametrize("word", [*NUMBER_FORMATS, *SCHEMA["$defs"]["field"]["properties"]["redact"]["enum"]])
def test_every_word_of_a_field_is_named(word):
    assert f"`{word}`" in DATA_MODEL


@pytest.mark.parametrize("field", mappings._BOOKKEEPING["properties"])
def test_every_field_of_the_reserved_object_has_its_meaning(field):
    assert has_row(DATA_MODEL, field)


def reasons() -> set[str]:
    """The words that code gives as the reason of a dead letter or of a failed record."""
    given = {"Refusal", "MisspelledRecordError", "_refuse", "_fail", "_end_all", "_give_up"}
    calls = [node for path in CODE for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    chosen = [node for node in calls if getattr(node.func, "id", getattr(node.func, "attr", "")) in given]
    texts = {each.value for node in chosen for each in node.args if isinstance(each, ast.Constant)}
    return {text for text in texts | noted() if isinstance(text, str) and re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", text)}


def noted() -> set[object]:
    """First words of the pairs that are put among the problems: `_problems[index] = (reason, detail)`."""
    nodes = [node for path in CODE for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assign)]
    pairs = [each.value for each in nodes if ast.unparse(each.targets[0]).startswith("self._problems[")]
    return {
        pair.elts[0].value for pair in pairs if isinstance(pair, ast.Tuple) and isinstance(pair.elts[0], ast.Constant)
    }


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_every_reason_has_its_meaning(reason):
    assert has_row(GUARANTEES, reason)


# -- figures are the code's own ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "figure",
    [
        f"{attributes.MAX_SIGNIFICANT_DIGITS} significant digits",
        f"{attributes.MAX_NESTING_LEVELS} levels",
        f"1E{attributes.MIN_MAGNITUDE_EXPONENT} to 9.99E+{attributes.MAX_MAGNITUDE_EXPONENT}",
        f"{identity.MAX_ID_BYTES} bytes of UTF-8",
        f"{index_names.MAX_ALIAS_BYTES} bytes",
        f"{mappings.MAX_FIELDS}, sub-fields counted",
        f"{field_kinds.MAX_KEYWORD_CHARACTERS} characters",
        f"{delivery.DEFAULT_MAX_BULK_BYTES // 1024**2} MiB and {bulk.MAX_BULK_ACTIONS} actions",
        f"`{delivery.DEFAULT_MAX_BULK_BYTES}`",
        f"{POLICY.first_backoff_seconds} to {POLICY.max_backoff_seconds:g} seconds",
        f"timeout of {TEMPLATE['Globals']['Function']['Timeout']}",
    ],
)
def test_a_limit_is_the_one_in_the_code(figure):
    assert figure in README


SCHEDULES = ("Schedule", "ScheduleV2")


def event_sources() -> list[dict[str, object]]:
    resources = TEMPLATE["Resources"].values()
    functions = [each for each in resources if each["Type"] == "AWS::Serverless::Function"]
    events = [event for each in functions for event in each["Properties"].get("Events", {}).values()]
    mappings_ = [each for each in resources if each["Type"] == "AWS::Lambda::EventSourceMapping"]
    return [each["Properties"] for each in (*events, *mappings_) if each["Type"] not in SCHEDULES]


@pytest.mark.parametrize(
    "source", event_sources(), ids=lambda source: source.get("Stream", {}).get("Ref", "change stream")
)
def test_bounds_of_batches_and_retries_are_those_of_the_template(source):
    hours = source["MaximumRecordAgeInSeconds"] // 3600

    assert f"{source['BatchSize']} records, waited for {source['MaximumBatchingWindowInSeconds']} second" in README
    assert f"{source['MaximumRetryAttempts']}, and records of at most {hours} hours" in README


# -- what is named exists ---------------------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: str) -> set[str]:
    return {slug(line.lstrip("#").strip()) for line in page.splitlines() if re.match(r"#+ ", line)}


@each_page
def test_every_relative_link_leads_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]) if "://" not in link]
    paths = {link: (ROOT / page).parent / link.partition("#")[0] if link[0] != "#" else ROOT / page for link in links}

    assert [link for link, path in paths.items() if not path.exists()] == []
    assert [
        link
        for link, path in paths.items()
        if "#" in link and link.partition("#")[2] not in anchors(path.read_text(encoding="utf-8"))
    ] == []


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", PAGES[page], flags=re.DOTALL | re.MULTILINE)


def typed_commands(page: str) -> list[str]:
    """Every `tailrace …` in code, blocks and spans, without its comment."""
    lines = [line.strip() for block in blocks(page, "sh") for line in block.splitlines()]
    spans = re.findall(r"`(tailrace [^`]+)`", PAGES[page])
    return [line.partition(" #")[0] for line in [*lines, *spans] if line.startswith("tailrace ")]


def is_command(typed: str) -> bool:
    words = typed.replace("[", "").replace("]", "").split()
    found = [each for name, each in COMMANDS.items() if words[: len(name.split())] == name.split()]
    known = [name for each in [*found, tailrace] for option in each.params for name in names_of(option)]
    return (bool(found) or typed == "tailrace --version") and set(re.findall(r"--[a-z-]+", typed)) <= set(known)


@each_page
def test_every_command_that_is_named_exists_with_its_options(page):
    assert [typed for typed in typed_commands(page) if not is_command(typed)] == []


@each_page
def test_every_make_verb_that_is_named_exists(page):
    verbs = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    in_blocks = [verb for block in blocks(page, "sh") for verb in re.findall(r"^ *make (\w+)", block, re.MULTILINE)]
    assert {*in_blocks, *re.findall(r"`make (\w+)`", PAGES[page])} <= verbs


@each_page
def test_every_test_and_module_that_is_named_exists(page):
    modules = [path.as_posix() for folder in ("layers", "functions", "local", "cli", "tests") for path in
               (ROOT / folder).rglob("*.py")]  # fmt: skip
    named = re.findall(r"`([\w/]+\.py)`", PAGES[page])

    assert set(re.findall(r"`(test_\w+)`", PAGES[page])) <= TESTS
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in modules)] == []


def test_the_example_of_a_tables_file_is_right():
    (example,) = blocks("docs/data-model.md", "yaml")

    assert list(load_tables(yaml.safe_load(example)).specs) == ["orders"]


def test_the_example_of_a_document_is_what_is_written():
    (example,) = blocks("docs/data-model.md", "json")
    indexer = Indexer()
    indexer.index(change_record())

    assert indexer.engine.visible("orders")["o-1"] == json.loads(example)


@each_page
def test_a_decision_is_dated_and_numbered_as_its_file(page):
    number = re.match(r"docs/decisions/(\d{4})-[a-z0-9-]+\.md", page)

    assert number is None or re.match(rf"# {int(number[1])}\. .+\n\n\d{{4}}-\d\d-\d\d, accepted\.\n", PAGES[page])


# -- what is rendered is equal ----------------------------------------------------------------------------------------


def failure_lines(answer: str, table: tuple[failures.FailureRow, ...]) -> list[str]:
    return [
        "| {} | {} | {} | {} | {} |".format(
            answer,
            ", ".join(map(str, sorted(row.statuses))) or "any other",
            ", ".join(f"`{kind}`" for kind in sorted(row.error_types)) or "any",
            row.disposition.value,
            row.sentence,
        )
        for row in table
    ]


def test_the_failure_table_is_the_one_in_the_code():
    lines = [
        "| Answer to | Status | Error type | Disposition | For the operator |",
        "|---|---|---|---|---|",
        *failure_lines("one document", failures.ITEM_FAILURES),
        *failure_lines("the whole request", failures.REQUEST_FAILURES),
        *failure_lines("the creation of an index", failures.CREATION_FAILURES),
        *failure_lines("either", (failures.UNKNOWN_FAILURE,)),
    ]

    assert GUARANTEES.partition("<!-- failures -->\n")[2].partition("<!-- /failures -->")[0].splitlines() == lines


@pytest.mark.parametrize("disposition", [each.value for each in failures.Disposition])
def test_every_disposition_is_explained(disposition):
    assert f"- **{disposition}**: " in GUARANTEES


def test_every_port_is_named_in_the_architecture():
    protocols = [name for name, each in vars(importlib.import_module("tailrace.ports")).items()
                 if getattr(each, "_is_protocol", False) and name != "Protocol"]  # fmt: skip

    spelled = {
        re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower().replace("dead letter", "dead-letter") for name in protocols
    }
    assert [name for name in spelled if name not in PAGES["docs/architecture.md"]] == []
