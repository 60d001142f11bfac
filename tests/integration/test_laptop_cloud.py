"""The laptop cloud on the real emulator and the real runtime client: what a template declares is what happens."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from function_builders import FIXTURES

from tailrace.errors import UserError
from tailrace_local.cloud import LaptopCloud
from tailrace_local.event_sources import UndeliveredError
from tailrace_local.external_engine import ExternalEngine

pytestmark = pytest.mark.slow

TEMPLATE = FIXTURES / "template.yaml"
NO_ENGINE = ExternalEngine("http://127.0.0.1:9")
BUILT = """
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: Layer}
  LayeredFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: LayeredFunction
      Handler: app.lambda_handler
      Runtime: python3.13
      Layers: [!Ref Layer]
      Environment: {Variables: {TABLES: /opt/tables.json}}
"""
KEY = re.compile(
    r"aws/lambda/[0-9a-f-]{36}/shardId-[^/]+/(\d{4})/(\d\d)/(\d\d)/\1-\2-\3T\d\d\.\d\d\.\d\d-[0-9a-f-]{36}"
)


def table(name, *, view="NEW_AND_OLD_IMAGES"):
    return {
        "TableName": name,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": view},
    }


@pytest.fixture(scope="module")
def received(tmp_path_factory):
    """The file that the stream handler writes to."""
    path = tmp_path_factory.mktemp("received") / "events.jsonl"
    path.touch()
    return path


@pytest.fixture(scope="module")
def cloud(received):
    """One laptop cloud without an engine."""
    tables = [table("orders"), table("PaidOnly")]
    with LaptopCloud(TEMPLATE, tables, engine=NO_ENGINE, parameters={"RecordTo": str(received)}) as cloud:
        yield cloud


@pytest.fixture
def put(cloud, received):
    """Writes items with these ids to a table, waits until they are delivered, and answers the batches of records."""

    def write(name, *items):
        received.write_text("")
        for item in items:
            cloud.clients.dynamodb.put_item(TableName=name, Item=item)
        cloud.drain(30)
        return [json.loads(line)["Records"] for line in received.read_text().splitlines()]

    return write


def item(key, **attributes):
    return {"id": {"S": key}, **attributes}


def ids(batch):
    return [record["dynamodb"]["Keys"]["id"]["S"] for record in batch]


def test_changes_reach_the_function_in_the_tables_order(put):
    batches = put("orders", *(item(f"in-order-{n}") for n in range(25)))

    assert [key for batch in batches for key in ids(batch)] == [f"in-order-{n}" for n in range(25)]
    assert max(map(len, batches)) <= 10


def test_a_record_has_the_shape_that_lambda_gives_it(cloud, put):
    ((record,),) = put("orders", item("shape", blob={"B": b"foobar"}, blobs={"BS": [b"foo"]}, price={"N": "1.50"}))

    arn = cloud.clients.dynamodb.describe_table(TableName="orders")["Table"]["LatestStreamArn"]
    change = record["dynamodb"]
    assert (record["eventName"], record["eventSource"], record["eventSourceARN"]) == ("INSERT", "aws:dynamodb", arn)
    assert change["NewImage"]["blob"] == {"B": "Zm9vYmFy"}
    assert change["NewImage"]["blobs"] == {"BS": ["Zm9v"]}
    assert isinstance(change["ApproximateCreationDateTime"], int | float)
    assert change["SequenceNumber"].isdigit()


def test_a_poison_record_is_isolated_by_bisecting_and_kept_in_the_on_failure_bucket(cloud, put):
    put("orders", *(item(f"before-{n}") for n in range(5)), item("poison", wish={"S": "raise"}), item("after"))

    ((key, body),) = [entry for entry in cloud.dead_letters() if b"poison" in entry[1]]
    letter = json.loads(body)
    assert KEY.fullmatch(key)
    assert letter["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert letter["requestContext"]["approximateInvokeCount"] == 2
    assert letter["responseContext"]["functionError"] == "Unhandled"
    assert letter["DDBStreamBatchInfo"]["batchSize"] == 1
    assert ids(json.loads(letter["payload"])["Records"]) == ["poison"]


def test_a_reported_record_cuts_its_batch_and_what_follows_is_retried(cloud, put):
    batches = put("orders", item("fine"), item("reported", wish={"S": "report"}))

    last = [ids(batch) for batch in batches if "reported" in ids(batch)][-1]
    assert last == ["reported"]


def test_a_filter_lets_only_what_it_names_through(cloud, put):
    batches = put("PaidOnly", item("a", status={"S": "NEW"}), item("b", status={"S": "PAID"}), item("c"))

    assert [ids(batch) for batch in batches] == [["b"]]
    assert cloud.mappings["StreamFunctionPaidOnly"].status().counters.filtered >= 2


def test_the_account_of_every_mapping_sums(cloud, put):
    put("orders", item("summed"))

    for status in cloud.statuses():
        counters = status.counters
        assert counters.polled == counters.filtered + counters.delivered + counters.discarded
        assert (status.pending, counters.undeliverable, counters.read_errors) == (0, 0, 0)


def test_what_does_not_run_here_is_listed(cloud):
    assert cloud.template.ignored == ("Topic (AWS::SNS::Topic)",)


def test_a_table_that_is_made_later_is_followed_from_its_first_change(received):
    with LaptopCloud(TEMPLATE, engine=NO_ENGINE, parameters={"RecordTo": str(received)}) as cloud:
        resting = [cloud.reason_to_rest(mapping) for mapping in cloud.template.mappings]
        cloud.clients.dynamodb.create_table(**table("orders"))
        cloud.clients.dynamodb.put_item(TableName="orders", Item=item("early"))
        received.write_text("")
        attached = cloud.attach_streams()
        cloud.drain(30)

    assert resting == ["no stream yet", "no stream yet"]
    assert attached == ["StreamFunctionOrders"]
    assert '"early"' in received.read_text()


def test_drain_says_what_is_left_when_time_is_up(cloud):
    cloud.clients.dynamodb.put_item(TableName="orders", Item=item("late"))

    with pytest.raises(UndeliveredError, match="StreamFunctionOrders"):
        cloud.drain(0)
    cloud.drain(30)


def test_a_wrong_template_fails_before_anything_is_started(tmp_path):
    broken = tmp_path / "template.yaml"
    broken.write_text(TEMPLATE.read_text().replace("BatchSize: 10", "BatchSize: 20000"))

    with pytest.raises(UserError, match=r"StreamFunction.Events.Orders.BatchSize: 20000 is not a whole number"):
        LaptopCloud(broken, engine=NO_ENGINE).start()


def test_what_was_built_runs_from_its_own_folders_without_this_interpreters_packages(tmp_path):
    build = tmp_path / ".aws-sam" / "build"
    shutil.copytree(FIXTURES / "functions" / "layered", build / "LayeredFunction")
    shutil.copytree(FIXTURES / "layer", build / "Layer" / "python")
    (build / "template.yaml").write_text(BUILT)
    with LaptopCloud(tmp_path / "template.yaml", is_built=True, engine=NO_ENGINE) as cloud:
        result = cloud.functions["LayeredFunction"].invoke({})

    assert json.loads(result.payload) == {
        "word": "from the layer",
        "tables": str(build / "Layer" / "python" / "tables.json"),
        "requests": False,
        "boto3": True,
    }


def test_nothing_is_left_behind_when_the_cloud_is_killed(tmp_path):
    script = tmp_path / "hold.py"
    script.write_text(
        f"""
import time
from pathlib import Path
from tailrace_local.cloud import LaptopCloud
from tailrace_local.external_engine import ExternalEngine
with LaptopCloud(Path({str(TEMPLATE)!r}), engine=ExternalEngine("http://127.0.0.1:9")) as cloud:
    function = cloud.functions["PlainFunction"]
    import json
    print(cloud.emulator.pid, json.loads(function.invoke({{"do": "describe"}}).payload)["process"], flush=True)
    time.sleep(60)
"""
    )
    holder = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    with holder:
        children = [int(word) for word in holder.stdout.readline().split()]
        holder.send_signal(signal.SIGKILL)

    assert len(children) == 2
    assert all(_ends_soon(pid) for pid in children)


def _ends_soon(pid):
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() or _is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
