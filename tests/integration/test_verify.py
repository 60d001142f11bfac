"""`tailrace verify` on a real OpenSearch and a real DynamoDB wire: every planted difference, nothing else, repaired."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import yaml
from benchmarks.samples import item
from verification_damage import Damage
from verification_load import KEY_NAMES, create_table, dynamodb_client, fill_index, fill_table

from tailrace.tables import load_tables
from tailrace_cli.main import run

pytestmark = pytest.mark.slow

SMALL, LARGE = 400, 100_000
MOST_MEMORY_KB = 256 * 1024
NONE_OF_ALL = dict.fromkeys(
    ["missing", "buried", "stale", "corrupt", "wrong index", "orphan", "resurrected", "foreign", "refused"], 0
)
MEASURED = """
import re, sys
from tailrace_cli.main import run
status = run(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def emulator_url():
    from tailrace_local.emulator import Emulator

    with Emulator() as emulator:
        yield emulator.url


@pytest.fixture
def environment(engine_url, emulator_url, monkeypatch):
    """What the command reads from its environment."""
    variables = {
        "OPENSEARCH_URL": engine_url,
        "AWS_ENDPOINT_URL": emulator_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def make(environment, opensearch, emulator_url, corner, tmp_path):
    """Makes a table of `count` items, equal to its three indices; gives its damage and its options."""

    def make(count):
        name = f"{corner}orders"
        document = {
            "defaults": {"index_prefix": corner},
            "tables": {name: {"key": list(KEY_NAMES), "type_attribute": "status"}},
        }
        (tmp_path / "tables.yaml").write_text(yaml.safe_dump(document))
        tables, dynamodb = load_tables(document), dynamodb_client(emulator_url)
        create_table(dynamodb, name)
        fill_table(emulator_url, name, count)
        fill_index(opensearch, tables, name, count)
        return Damage(opensearch, dynamodb, tables, name), [name, "--file", str(tmp_path / "tables.yaml"), "--json"]

    return make


def verify(capsys, *arguments):
    status = run(["verify", *arguments])
    return status, orjson.loads(capsys.readouterr().out)


def plant(damage, count):
    """Some of each kind, on items that no other kind touches; items whose number is 0 modulo 3 are of type PAID."""
    damage.missing(range(7))
    damage.buried(range(20, 26))
    damage.stale(range(40, 45))
    damage.corrupt(range(60, 64))
    damage.wrong_index([90, 93, 96])
    damage.orphan(range(count, count + 2))
    damage.resurrected(range(count + 10, count + 18))
    damage.foreign(["by hand"])
    damage.refresh()


PLANTED = NONE_OF_ALL | {
    "missing": 7,
    "buried": 6,
    "stale": 5,
    "corrupt": 4,
    "wrong index": 3,
    "orphan": 2,
    "resurrected": 8,
    "foreign": 1,
}


@pytest.mark.both_engines
def test_equal_sides_are_clean(make, capsys):
    _, options = make(SMALL)

    status, certificate = verify(capsys, *options, "--deep")

    assert (status, certificate["clean"], certificate["differences"]) == (0, True, NONE_OF_ALL)
    assert (certificate["items"], certificate["documents"], certificate["tombstones"]) == (SMALL, SMALL, 0)
    assert certificate["table_digest"] == certificate["index_digest"]
    assert certificate["seconds"] < 5


@pytest.mark.both_engines
def test_every_planted_difference_is_found_and_nothing_else_and_a_repair_leaves_nothing(make, capsys):
    damage, options = make(SMALL)
    plant(damage, SMALL)

    status, certificate = verify(capsys, *options, "--deep", "--lag", "0.5")
    assert (status, certificate["differences"]) == (1, PLANTED)
    assert certificate["table_digest"] != certificate["index_digest"]

    status, certificate = verify(capsys, *options, "--deep", "--lag", "0.5", "--repair")
    assert (status, certificate["differences"]) == (1, PLANTED)
    assert (certificate["repaired"], certificate["unrepaired"]) == (36, 0)

    damage.refresh()
    status, certificate = verify(capsys, *options, "--deep")
    assert (status, certificate["clean"], certificate["documents"]) == (0, True, SMALL)
    assert certificate["table_digest"] == certificate["index_digest"]


def test_the_ids_of_differences_are_shown_and_no_value(make, capsys):
    damage, options = make(SMALL)
    damage.corrupt([60])

    _, certificate = verify(capsys, *options, "--deep", "--lag", "0")

    prefix = damage.tables.spec(damage.name).index_prefix
    assert certificate["shown"] == [
        {
            "kind": "corrupt",
            "index": f"{prefix}{damage.name}-paid@000001",
            "id": "C-00060|2026-00000060",
            "fields": ["note"],
            "why": "",
        }
    ]
    assert "Leave at the door" not in str(certificate)


def test_a_change_that_reaches_the_index_within_the_lag_is_no_difference(make, capsys, monkeypatch):
    damage, options = make(SMALL)
    damage.orphan([SMALL])
    damage.refresh()

    def arrive(_clock, seconds):
        damage.dynamodb.put_item(TableName=damage.name, Item=item(SMALL))

    monkeypatch.setattr("tailrace.adapters.clock.SystemClock.sleep", arrive)
    status, certificate = verify(capsys, *options, "--lag", "0.05")

    assert (status, certificate["clean"], certificate["in_flight"]) == (0, True, 1)


@pytest.mark.both_engines
def test_a_repair_sets_refused_fields_apart_and_the_document_is_then_equal(make, capsys):
    damage, options = make(SMALL)
    damage.dynamodb.put_item(TableName=damage.name, Item=item(SMALL) | {"address": {"S": "no object"}})

    status, certificate = verify(capsys, *options, "--deep", "--lag", "0", "--repair")
    assert (status, certificate["repaired"], certificate["unrepaired"]) == (1, 1, 0)

    damage.refresh()
    status, certificate = verify(capsys, *options, "--deep")
    assert (status, certificate["clean"], certificate["documents"]) == (0, True, SMALL + 1)


def test_people_get_the_certificate_as_text(make, capsys):
    damage, options = make(SMALL)
    damage.missing([0])
    damage.refresh()

    assert run(["verify", *options[:-1], "--lag", "0"]) == 1

    out = capsys.readouterr().out
    assert f"items                {SMALL}\n" in out
    assert "differences: 1 missing. The item has no document." in out
    assert out.endswith("1 difference.\n")


def test_a_table_without_an_index_is_one_sentence(environment, emulator_url, corner, tmp_path, capsys):
    name = f"{corner}bills"
    create_table(dynamodb_client(emulator_url), name)
    (tmp_path / "tables.yaml").write_text(f"tables: {{{name}: {{}}}}")

    assert run(["verify", name, "--file", str(tmp_path / "tables.yaml")]) == 2
    assert capsys.readouterr().err == (
        f"Error: OpenSearch has no index of table {name} (no alias {name}): create it with `tailrace tables apply`\n"
    )


@pytest.mark.timeout(600)
def test_100_000_items_are_verified_in_flat_memory_and_exactly(make, environment):
    damage, options = make(LARGE)
    plant(damage, LARGE)

    status, certificate, memory = _measure(*options, "--deep", "--lag", "1", "--repair")
    assert (status, certificate["differences"]) == (1, PLANTED)
    assert (certificate["items"], certificate["repaired"], certificate["unrepaired"]) == (LARGE, 36, 0)
    assert memory <= MOST_MEMORY_KB

    damage.refresh()
    status, certificate, memory = _measure(*options, "--segments", "1")
    assert (status, certificate["clean"]) == (0, True)
    assert certificate["table_digest"] == certificate["index_digest"]
    assert memory <= MOST_MEMORY_KB


def _measure(*arguments):
    """Exit status, certificate and peak memory in kB of the command in a process of its own."""
    roots = [root for root in sys.path if Path(root).is_dir()]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {roots!r}{MEASURED}", "verify", *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode, orjson.loads(done.stdout), int(done.stderr.split()[-1])
