"""`tailrace replay` on a real OpenSearch, with tables and bucket on a real wire: nothing is left, nothing is different.

The letters are written by the real pipeline, for as many reasons as can be mended.
"""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time

import boto3
import orjson
import pytest
import yaml
from builders import SECOND, Indexer, change_record, event, order
from kinesis_builders import envelope, kinesis_change, kinesis_record
from replay_builders import DAY, parked_batch

from tailrace.adapters.dynamodb import DynamoDBItems
from tailrace.adapters.letters import S3LetterBox
from tailrace.tables import load_tables
from tailrace_cli.main import run

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]
_numbers = itertools.count(1)
CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
# As the command, but in small groups, so that a process may be killed between any two of them.
IN_SMALL_GROUPS = """
import sys
import tailrace.replaying
from tailrace_cli.main import run
tailrace.replaying.OBJECTS_AT_ONCE = 10
sys.exit(run(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def emulator_url():
    from tailrace_local.emulator import Emulator

    with Emulator() as emulator:
        yield emulator.url


class World:
    """A corner of the engine, tables and a bucket, and an indexer on them whose spec changes."""

    def __init__(self, opensearch, emulator_url, corner, folder):
        self.engine, self.corner, self.folder = opensearch, corner, folder
        self.dynamodb = boto3.client("dynamodb", endpoint_url=emulator_url, **CREDENTIALS)
        self.s3 = boto3.client("s3", endpoint_url=emulator_url, **CREDENTIALS)
        number = next(_numbers)
        self.bucket, self.orders, self.planes = f"letters-{number}", f"orders{number}", f"planes{number}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.box = S3LetterBox(self.s3, self.bucket)
        for table in (self.orders, self.planes):
            self.dynamodb.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            )

    def specify(self, on_type_conflict="quarantine", is_declared=True, **defaults):
        """The tables file; two mistakes at will: fields that are not set apart, and a table that is not declared."""
        table = {"key": ["id"], "on_type_conflict": on_type_conflict, "fields": {"created": {"type": "date"}}}
        tables = {self.orders: table} | ({self.planes: {"key": ["id"]}} if is_declared else {})
        document = {"defaults": {"index_prefix": self.corner, "unknown_tables": "refuse"} | defaults, "tables": tables}
        (self.folder / "tables.yaml").write_text(yaml.safe_dump(document))
        return load_tables(document)

    def indexer(self, tables):
        return Indexer(tables, self.engine, self.box, DynamoDBItems(self.dynamodb))

    def put(self, table, item):
        """The item in the table, and its change as an event tells it."""
        self.dynamodb.put_item(TableName=table, Item=item)
        return item

    def letters(self):
        return [found.key for found in self.box.list("")]

    def documents(self):
        """Every document with its version, byte for byte."""
        self.refresh()
        body = {"size": 5_000, "version": True, "sort": [{"_id": "asc"}]}
        hits = self.engine.request("POST", f"/{self.corner}*/_search", body)["hits"]["hits"]
        return {(hit["_index"], hit["_id"]): (hit["_version"], json.dumps(hit["_source"])) for hit in hits}

    def refresh(self):
        self.engine.request("POST", f"/{self.corner}*/_refresh")

    def replay(self, *options):
        return run(["replay", "--file", str(self.folder / "tables.yaml"), "--bucket", self.bucket, "--json", *options])

    def verify(self, table):
        self.refresh()
        return run(["verify", table, "--file", str(self.folder / "tables.yaml"), "--json", "--deep", "--lag", "0.2"])


@pytest.fixture
def world(opensearch, emulator_url, corner, tmp_path, monkeypatch):
    for name, value in {
        "OPENSEARCH_URL": opensearch.url,
        "AWS_ENDPOINT_URL": emulator_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OPENSEARCH_SERVICE", raising=False)
    return World(opensearch, emulator_url, corner, tmp_path)


def by_streams(table, item, number, op="INSERT", second=SECOND):
    new, old = (None, item) if op == "REMOVE" else (item, None)
    return change_record(op, new, old, sequence=number, table=table, second=second + number // 100)


def by_kinesis(table, item, number, op="INSERT", second=SECOND):
    new, old = (None, item) if op == "REMOVE" else (item, None)
    return kinesis_change(op, new, old, position=number, table=table, at=second * 1_000_000 + number)


def by_replicator(table, item, number, op="INSERT", second=SECOND):
    return kinesis_record(envelope(by_streams(table, item, number, op, second)), number)


def way_of(number):
    """Every item comes by one way, now and later."""
    return (by_streams, by_kinesis, by_replicator)[number // 3 % 3]


def changes(world, count):
    """A third each: a date that is none, a table that nobody declared, and a field whose object is text elsewhere."""
    for number in range(1, count + 1):
        way = way_of(number)
        if number % 3 == 0:
            item = world.put(world.orders, order(f"o-{number}", created={"S": "soon"}))
            yield way(world.orders, item, number)
        elif number % 3 == 1:
            yield way(world.planes, world.put(world.planes, order(f"p-{number}")), number)
        else:
            item = world.put(world.orders, order(f"o-{number}", note={"M": {"text": {"S": "a"}}}))
            yield way(world.orders, item, number)


def write_letters(world, count):
    """So many letters; beside them stands what is good, and the fields that the bad ones collide with."""
    bad = world.specify(on_type_conflict="dead_letter", is_declared=False)
    good = world.put(world.orders, order("good", note={"S": "text"}))
    counts = world.indexer(bad).counts(by_streams(world.orders, good, 1_000), *changes(world, count))
    assert counts == {"indexed": 1, "dead_lettered": count}


def test_all_letters_of_many_reasons_are_gone_and_nothing_differs_once_the_causes_are_mended(world, capsys):
    write_letters(world, 300)
    world.specify()

    assert world.replay("--dry-run") == 0
    forecast = json.loads(capsys.readouterr().out)
    assert forecast["letters"] == {"ready": 300, "refused": 0, "to park": 0}
    reasons = sorted((line["reason"], line["ready"]) for line in forecast["lines"])
    assert reasons == [("mapper_parsing_exception", 200), ("unknown_table", 100)]

    status = world.replay()

    report = json.loads(capsys.readouterr().out)
    assert (status, report["letters"]["settled"], report["outcomes"]) == (0, 300, {"indexed": 300})
    assert world.letters() == []
    assert (world.verify(world.orders), world.verify(world.planes)) == (0, 0)


def test_a_cause_that_is_not_mended_leaves_its_letters_with_a_hop_more(world, capsys):
    write_letters(world, 6)
    before = world.letters()

    assert world.replay() == 1
    assert world.letters() == before
    assert {json.loads(body)["hops"] for body in world.box.read(before)} == {1}
    assert world.replay("--max-hops", "2") == 1
    assert [key.partition("/")[0] for key in world.letters()] == ["parked"] * 6
    world.specify()
    assert world.replay() == 0
    assert world.replay("--parked") == 0
    assert world.letters() == []
    assert (world.verify(world.orders), world.verify(world.planes)) == (0, 0)


def test_a_replay_three_days_late_over_newer_data_changes_no_byte_and_a_second_one_neither(world, capsys):
    write_letters(world, 60)
    world.specify()
    tables = load_tables(yaml.safe_load((world.folder / "tables.yaml").read_text()))
    later = [change_later(world, number) for number in range(1, 61)]
    assert sum(world.indexer(tables).counts(*later).values()) == 60
    before = world.documents()

    assert world.replay() == 0

    outcomes = json.loads(capsys.readouterr().out)["outcomes"]
    assert (outcomes, world.letters()) == ({"stale": 60}, [])
    assert world.documents() == before
    assert world.replay() == 0
    assert (world.verify(world.orders), world.verify(world.planes)) == (0, 0)


def change_later(world, number):
    """Three days after its letter the item of a number is changed, and every fourth is removed."""
    table, key = (world.planes, f"p-{number}") if number % 3 == 1 else (world.orders, f"o-{number}")
    item = order(key, total={"N": str(number)})
    if number % 4:
        world.put(table, item)
    else:
        world.dynamodb.delete_item(TableName=table, Key={"id": item["id"]})
    return way_of(number)(table, item, number + 5_000, "MODIFY" if number % 4 else "REMOVE", SECOND + 3 * DAY)


def test_parked_batches_are_replayed_and_gone(world, capsys):
    tables = world.specify()
    records = list(changes(world, 90))
    for start in range(0, 90, 30):
        batch = parked_batch(*records[start : start + 30])
        if start == 30:
            batch["payload"] = event(*records[30:60])  # as some emulators write it
        world.box.put(f"aws/lambda/1b2c/shardId-0/2025/11/21/{start}", orjson.dumps(batch))

    assert world.replay() == 0

    report = json.loads(capsys.readouterr().out)
    assert (report["batches"], world.letters()) == ({"settled": 3, "failed": 0}, [])
    assert (world.verify(world.orders), world.verify(world.planes)) == (0, 0)
    assert tables.spec(world.orders).name == world.orders


def test_a_replay_killed_at_random_points_loses_nothing_and_ends_well(world, capsys):
    write_letters(world, 150)
    world.specify()
    left = [150]
    for limit in random.Random(31).sample(range(20, 140), 4):
        left.append(kill_below(world, min(limit, left[-1])))

    assert any(0 < count < 150 for count in left)
    assert world.replay() == 0
    assert world.letters() == []
    assert (world.verify(world.orders), world.verify(world.planes)) == (0, 0)


def kill_below(world, limit):
    """The command, killed as soon as fewer letters than that are left; how many are."""
    options = ["--file", str(world.folder / "tables.yaml"), "--bucket", world.bucket]
    command = [sys.executable, "-c", IN_SMALL_GROUPS, "replay", *options]
    process = subprocess.Popen(command, env=command_environment(), stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None and len(world.letters()) >= limit:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return len(world.letters())


def command_environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_two_replays_at_once_end_as_one(world, capsys):
    write_letters(world, 90)
    world.specify()
    options = ["replay", "--file", str(world.folder / "tables.yaml"), "--bucket", world.bucket]
    command = [sys.executable, "-c", IN_SMALL_GROUPS, *options]
    both = [subprocess.Popen(command, env=command_environment(), stdout=subprocess.DEVNULL) for _ in range(2)]

    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert world.letters() == []
    assert (world.verify(world.orders), world.verify(world.planes)) == (0, 0)
