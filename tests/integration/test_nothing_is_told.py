"""No secret and no value of an item in what functions and commands print, whatever goes wrong.

Every item, key, credential and password here is a canary, and so is what OpenSearch, DynamoDB, S3 and Kinesis quote in
their refusals. The functions run on the real runtime client; their logs are read to the last byte.
"""

import os
from dataclasses import replace

import orjson
import pytest
from canaries import ENGINE, EVENTS, IDENTITY, ITEM, MALFORMED, SERVICES, TABLES
from http_trail import trail
from leaks import CANARY, find_leaks
from policies import ROOT, SAMPLE_STREAMS

from tailrace_cli.main import run
from tailrace_local.function_environments import Surroundings, build_spec
from tailrace_local.functions import LambdaFunction
from tailrace_local.template import read_template

pytestmark = pytest.mark.slow

REPLICATING = {"ArnOfChangeStream": "create", "ReplicateToChangeStream": "true"}
UNSIGNED = {"OpenSearchUrl": "http://127.0.0.1", "OpenSearchService": "none"}


class World:
    """The template's functions with canaries for credentials, before servers that answer by script."""

    def __init__(self, folder, engine, services):
        self.folder, self.engine, self.services = folder, engine, services
        (folder / "tables.yaml").write_text(TABLES)
        declared = read_template(ROOT / "template.yaml", {**SAMPLE_STREAMS, **REPLICATING, **UNSIGNED}).functions
        self.functions = {name: LambdaFunction(self.spec(each)) for name, each in declared.items()}

    @property
    def url(self):
        """OpenSearch, with a name and a password."""
        return self.engine.url.replace("//", f"//{CANARY}-user:{CANARY}-password@")

    def logs(self):
        """All that the functions have printed so far, by the file of each instance."""
        return {path.name: path.read_text(errors="replace") for path in (self.folder / "logs").glob("*.log")}

    def spec(self, function):
        own = {
            **IDENTITY,
            "OPENSEARCH_URL": self.url,
            "TAILRACE_TABLES": str(self.folder / "tables.yaml"),
            "TAILRACE_TIME_MARGIN_MS": "9600",  # 0.4 seconds to try
        }
        chosen = replace(function, variables={**function.variables, **own}, timeout_seconds=10)
        return build_spec(chosen, Surroundings(os.environ, self.services.url), self.folder / "logs")

    def invoke(self, function, event, engine="all is well", services="AWS is well"):
        """What a function makes of an event while these things go wrong."""
        self.engine.script, self.services.script = ENGINE[engine], SERVICES[services]
        return self.functions[function].invoke(event)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with trail() as engine, trail() as services:
        world = World(tmp_path_factory.mktemp("canaries"), engine, services)
        try:
            yield world
        finally:
            for function in world.functions.values():
                function.close()


@pytest.fixture
def silent(world):
    """Whatever the test makes the functions print holds no leak."""
    before = world.logs()
    yield
    printed = [text[len(before.get(name, "")) :] for name, text in world.logs().items()]
    assert [leak for text in printed for leak in find_leaks(text)] == []


def leaks_of(result):
    return list(find_leaks(result.payload.decode() + "\n" + result.log))


@pytest.mark.parametrize("services", SERVICES)
@pytest.mark.parametrize("engine", ENGINE)
def test_the_indexer_tells_nothing_of_an_item(world, silent, engine, services):
    results = [world.invoke("IndexerFunction", EVENTS["an item"], engine, services)]

    assert [leaks_of(result) for result in results] == [[]]
    assert '"message":"batch"' in results[0].log


@pytest.mark.parametrize("services", SERVICES)
@pytest.mark.parametrize("name", EVENTS)
def test_no_kind_of_change_is_told(world, silent, name, services):
    assert leaks_of(world.invoke("IndexerFunction", EVENTS[name], services=services)) == []
    assert leaks_of(world.invoke("ReplicatorFunction", EVENTS[name], services=services)) == []


@pytest.mark.parametrize("services", SERVICES)
@pytest.mark.parametrize("function", ["ReplayerFunction", "SweeperFunction"])
@pytest.mark.parametrize("engine", ["all is well", "the identity is refused", "half an answer"])
def test_nothing_is_told_by_the_other_functions(world, silent, function, engine, services):
    assert leaks_of(world.invoke(function, {"letters": True} if "Replayer" in function else {}, engine, services)) == []


@pytest.mark.parametrize("event", MALFORMED, ids=[str(number) for number in range(len(MALFORMED))])
@pytest.mark.parametrize("function", ["IndexerFunction", "ReplicatorFunction"])
def test_nothing_is_told_of_an_event_that_makes_no_sense(world, silent, function, event):
    assert leaks_of(world.invoke(function, event)) == []


def test_a_letter_that_makes_no_sense_is_not_told(world, silent):
    listing = (
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>dead-letters/orders/x</Key><Size>9</Size>"
        "<LastModified>2026-11-21T12:00:00.000Z</LastModified></Contents></ListBucketResult>"
    )
    letter = orjson.dumps({"format": 99, "record": ITEM, "detail": CANARY})
    world.engine.script = ENGINE["all is well"]
    world.services.script = lambda method, path, body: (200, listing.encode() if "list-type" in path else letter)

    result = world.functions["ReplayerFunction"].invoke({"letters": True})

    assert leaks_of(result) == []
    assert '"message":"object"' in result.log


# -- the commands -----------------------------------------------------------------------------------------------------

COMMANDS = {
    "apply": ["tables", "apply", "--service", "none"],
    "verify": ["verify", "orders", "--service", "none", "--lag", "0"],
    "replay": ["replay", "--bucket", "letters", "--service", "none"],
}


@pytest.mark.parametrize("services", SERVICES)
@pytest.mark.parametrize("engine", ["all is well", "the identity is refused", "the engine is away", "half an answer"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_tells_no_secret(world, capsys, monkeypatch, command, engine, services):
    world.engine.script, world.services.script = ENGINE[engine], SERVICES[services]
    for name, value in {**IDENTITY, "AWS_ENDPOINT_URL": world.services.url, "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)

    run([*COMMANDS[command], "--url", world.url, "--file", str(world.folder / "tables.yaml")])

    printed = "\n".join(capsys.readouterr())
    assert list(find_leaks(printed)) == []
    assert "Traceback" not in printed
