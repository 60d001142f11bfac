"""Kinesis on the laptop cloud, on the real emulator: tables into a data stream, and the stream into a function."""

import base64
import json

import pytest
from function_builders import FIXTURES

from tailrace_local.cloud import LaptopCloud
from tailrace_local.disturbances import DestinationPolicy
from tailrace_local.external_engine import ExternalEngine

pytestmark = pytest.mark.slow

TEMPLATE = FIXTURES / "kinesis.yaml"
NO_ENGINE = ExternalEngine("http://127.0.0.1:9")
TABLE = {
    "TableName": "orders",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
}
UNRULY = DestinationPolicy(duplicated=0.3, displaced=0.3, seed=1)


@pytest.fixture(scope="module")
def received(tmp_path_factory):
    """The file that the handler writes to."""
    path = tmp_path_factory.mktemp("received") / "events.jsonl"
    path.touch()
    return path


@pytest.fixture(scope="module")
def cloud(received):
    """One laptop cloud without an engine, whose table goes by Kinesis."""
    options = {"parameters": {"RecordTo": str(received)}, "kinesis_tables": ["orders"], "destination": UNRULY}
    with LaptopCloud(TEMPLATE, [TABLE], engine=NO_ENGINE, **options) as cloud:
        yield cloud


@pytest.fixture
def deliver(cloud, received):
    """Does something, waits until all of it is delivered, and answers the records that the function got."""

    def call(work):
        received.write_text("")
        work()
        cloud.drain(30)
        return [record for line in received.read_text().splitlines() for record in json.loads(line)["Records"]]

    return call


def writing(cloud, *items):
    """Writes items to the table, one after the other."""
    return lambda: [cloud.clients.dynamodb.put_item(TableName="orders", Item=item) for item in items]


def item(key, **attributes):
    return {"id": {"S": key}, **attributes}


def change(record):
    return json.loads(base64.b64decode(record["kinesis"]["data"]))


def test_every_change_arrives_and_the_last_instant_of_an_item_is_its_last_change(cloud, deliver):
    records = deliver(writing(cloud, *(item("often", n={"N": str(n)}) for n in range(60))))
    images = {(told := change(each)["dynamodb"])["ApproximateCreationDateTime"]: told["NewImage"] for each in records}

    assert [images[instant]["n"]["N"] for instant in sorted(images)] == [str(n) for n in range(60)]
    assert len(records) == 60 + cloud.destinations["orders"].counters.duplicated


def test_a_change_has_the_shape_that_dynamodb_and_lambda_give_it(cloud, deliver):
    records = deliver(writing(cloud, item("shape", blob={"B": b"foobar"})))
    # Kinesis may bring a change of another test late, a second time.
    record = next(each for each in records if change(each)["dynamodb"]["Keys"] == {"id": {"S": "shape"}})

    assert (record["eventSource"], record["eventName"]) == ("aws:kinesis", "aws:kinesis:record")
    assert record["eventSourceARN"] == "arn:aws:kinesis:us-east-1:000000000000:stream/tailrace-ChangeStream"
    assert change(record)["tableName"] == "orders"
    assert change(record)["dynamodb"]["NewImage"]["blob"] == {"B": "Wm05dlltRnk="}
    assert len(record["kinesis"]["partitionKey"]) == 32


def test_a_poison_record_is_kept_with_its_kinesis_batch_info(cloud, deliver):
    deliver(writing(cloud, *(item(f"fine-{n}") for n in range(5)), item("poison", wish={"S": "raise"})))

    key, body = next((key, body) for key, body in cloud.dead_letters() if b"KinesisBatchInfo" in body)
    letter = json.loads(body)
    (record,) = json.loads(letter["payload"])["Records"]
    assert change(record)["dynamodb"]["Keys"] == {"id": {"S": "poison"}}
    assert letter["KinesisBatchInfo"]["startSequenceNumber"] == record["kinesis"]["sequenceNumber"]
    assert f"/{letter['KinesisBatchInfo']['shardId']}/" in key


def test_a_reported_record_is_retried(cloud, deliver):
    records = deliver(writing(cloud, item("fine"), item("reported", wish={"S": "report"})))

    assert sum(change(each)["dynamodb"]["Keys"] == {"id": {"S": "reported"}} for each in records) >= 2


def test_the_tables_own_stream_is_not_followed_beside(cloud):
    resting = {mapping.name: cloud.reason_to_rest(mapping) for mapping in cloud.template.mappings}

    assert resting == {"ChangeFunctionOrders": "its table comes by Kinesis", "ChangeFunctionChanges": None}


def test_destinations_are_reported_beside_the_mappings(cloud):
    assert [status.name for status in cloud.statuses()] == ["orders to Kinesis", "ChangeFunctionChanges"]
    assert [status.shards for status in cloud.statuses()] == [1, 2]


def test_a_record_that_anybody_puts_is_delivered_too(cloud, deliver):
    data = json.dumps({"dynamodb": {"NewImage": {}}}).encode()
    stream = {"StreamName": "tailrace-ChangeStream", "PartitionKey": "anything"}
    (record,) = deliver(lambda: cloud.clients.kinesis.put_record(Data=data, **stream))

    assert base64.b64decode(record["kinesis"]["data"]) == data
