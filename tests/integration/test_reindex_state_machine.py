"""The state machine of template.yaml on the laptop: the emulator's Step Functions, the real function, a real engine."""

import json
import time
from pathlib import Path

import orjson
import pytest

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.tables_file import read_tables
from tailrace_local.cloud import LaptopCloud
from tailrace_local.laptop_tables import table_requests

ROOT = Path(__file__).resolve().parents[2]
ITEMS = 2_000
TABLE = "airlines"
PATIENCE_SECONDS = 180
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud():
    """A cloud with a full table, whose functions hear of a new generation at once."""
    tables = table_requests(read_tables(ROOT / "tables.yaml"))
    with LaptopCloud(ROOT / "template.yaml", tables, variables={"TAILRACE_FENCE_SECONDS": "0"}) as running:
        for start in range(0, ITEMS, 25):
            puts = [{"PutRequest": {"Item": airline(number)}} for number in range(start, start + 25)]
            running.clients.dynamodb.batch_write_item(RequestItems={TABLE: puts})
        running.drain(120)
        yield running


def airline(number):
    return {"carrier": {"S": f"C{number:04d}"}, "name": {"S": f"Airline {number}"}}


def run(cloud, **asked):
    """One execution to its end, as DescribeExecution has it."""
    machine = cloud.template.machines["ReindexStateMachine"].arn
    client = cloud.clients.state_machines
    started = client.start_execution(stateMachineArn=machine, input=json.dumps({"table": TABLE} | asked))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := client.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline, step(cloud, "status")
        time.sleep(0.2)
    return found


def step(cloud, name, **event):
    """One step, as a person would take it."""
    result = cloud.functions["ReindexerFunction"].invoke({"step": name, "table": TABLE} | event)
    assert result.function_error is None, result.payload
    return orjson.loads(result.payload)


def children(cloud, execution):
    """How many children of the execution's map ended how."""
    client = cloud.clients.state_machines
    [last] = client.list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
    counts = client.describe_map_run(mapRunArn=last["mapRunArn"])["executionCounts"]
    return counts["succeeded"], counts["failed"]


def searched(cloud):
    """The generation behind the alias, and how many documents a search finds there."""
    engine = OpenSearchEngine(cloud.engine.url)
    engine.request("POST", f"/{TABLE}/_refresh")
    [generation] = engine.request("GET", f"/_alias/{TABLE}")
    return generation, engine.request("GET", f"/{TABLE}/_count")["count"]


def test_a_scan_is_loaded_by_one_child_for_each_segment_then_proved_and_swapped_in(cloud):
    done = run(cloud, source="scan", segments=3)

    assert done["status"] == "SUCCEEDED", done
    assert children(cloud, done) == (3, 0)
    told = json.loads(done["output"])
    assert (told["phase"], told["read"], told["slices_done"]) == ("swapped", ITEMS, 3)
    assert searched(cloud) == ("airlines@000002", ITEMS)


def test_an_export_is_asked_for_waited_for_and_loaded_by_one_child_for_each_file(cloud):
    done = run(cloud, source="export")

    assert done["status"] == "SUCCEEDED", done
    assert children(cloud, done) == (4, 0)
    assert json.loads(done["output"])["read"] == ITEMS
    assert searched(cloud) == ("airlines@000003", ITEMS)


def test_failure_83_a_file_that_is_not_the_manifests_fails_the_run_in_a_sentence_and_once_mended_it_goes_on(cloud):
    prepare(cloud, "with-a-bad-file")
    [bucket] = cloud.template.buckets.values()
    key = data_files(cloud, bucket)[-1]
    body = cloud.clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    cloud.clients.s3.put_object(Bucket=bucket, Key=key, Body=body[:-1] + b"x")

    failed = run(cloud, resume=True)

    assert (failed["status"], failed["error"]) == ("FAILED", "LoadError")
    sentence = json.loads(failed["cause"])["errorMessage"]
    assert sentence.startswith("1 of 4 slices of airlines are not loaded: ")
    assert sentence.endswith(f"(s3://{bucket}/{key} is not the file of the manifest: its MD5 differs)")
    assert children(cloud, failed) == (3, 1)
    assert searched(cloud) == ("airlines@000003", ITEMS)

    cloud.clients.s3.put_object(Bucket=bucket, Key=key, Body=body)
    done = run(cloud, resume=True)

    assert done["status"] == "SUCCEEDED", done
    assert json.loads(done["output"])["read"] == ITEMS
    assert searched(cloud) == ("airlines@000004", ITEMS)


def prepare(cloud, job):
    """Take the first steps by hand, until there is an export to load."""
    step(cloud, "begin", job=job, input={"table": TABLE, "source": "export"})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not step(cloud, "prepare")["is_ready"]:
        assert time.monotonic() < deadline
        time.sleep(1)


def data_files(cloud, bucket):
    """The data files in the bucket, in the order in which they were written."""
    found = cloud.clients.s3.list_objects_v2(Bucket=bucket, Prefix="exports/")["Contents"]
    return [each["Key"] for each in sorted(found, key=lambda each: each["LastModified"]) if "/data/" in each["Key"]]


def test_a_run_that_cannot_begin_says_why(cloud):
    step(cloud, "begin", job="by-somebody", input={"table": TABLE})

    refused = run(cloud)
    step(cloud, "abort")

    assert (refused["status"], refused["error"]) == ("FAILED", "UserError")
    assert "a reindex of airlines is under way (fencing)" in json.loads(refused["cause"])["errorMessage"]
    assert step(cloud, "status") == {"table": TABLE, "phase": "none", "is_over": True}
