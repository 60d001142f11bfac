"""A table as DynamoDB describes it against its spec, alone and through `tailrace tables check --live`."""

import boto3
import pytest
from moto import mock_aws

from tailrace.live_checks import find_live_mistakes
from tailrace.tables import load_tables
from tailrace_cli.main import run


def spec(**orders):
    return load_tables({"tables": {"orders": orders}}).spec("orders")


def description(view_type="NEW_AND_OLD_IMAGES", key=("id",)):
    parts = zip(key, ("HASH", "RANGE"), strict=False)
    stream = {"StreamEnabled": True, "StreamViewType": view_type} if view_type else {}
    return {
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in parts],
        "StreamSpecification": stream,
    }


@pytest.mark.parametrize(
    ("table", "described"),
    [
        ({"key": ["id"], "type_attribute": "TYPE"}, description()),
        ({}, description("KEYS_ONLY")),
        ({"source": "kinesis", "type_attribute": "TYPE"}, description(None)),
        ({"key": ["b", "a"]}, description(key=("b", "a"))),
    ],
)
def test_a_table_that_fits_its_spec_has_no_mistakes(table, described):
    assert list(find_live_mistakes(spec(**table), described)) == []


@pytest.mark.parametrize(
    ("table", "described", "mistake"),
    [
        ({}, None, "tables.orders: DynamoDB has no table of this name"),
        ({"key": ["id"]}, description(key=("pk", "sk")), "tables.orders.key: the table's key is [pk, sk], not [id]"),
        (
            {"key": ["a", "b"]},
            description(key=("b", "a")),
            "tables.orders.key: the table's key is [b, a], not [a, b]",
        ),
        (
            {},
            description(None),
            "tables.orders: the table has no stream; turn one on with view type NEW_AND_OLD_IMAGES",
        ),
        (
            {"type_attribute": "TYPE"},
            description("NEW_IMAGE"),
            "tables.orders: type_attribute cannot work on a stream of view type NEW_IMAGE; "
            "it must be NEW_AND_OLD_IMAGES",
        ),
        (
            {"type_attribute": "TYPE", "filter": {"where": {"a": [1]}}},
            description("KEYS_ONLY"),
            "tables.orders: type_attribute and where cannot work on a stream of view type KEYS_ONLY; "
            "it must be NEW_AND_OLD_IMAGES",
        ),
    ],
)
def test_a_difference_is_named(table, described, mistake):
    assert list(find_live_mistakes(spec(**table), described)) == [mistake]


@pytest.fixture
def dynamodb(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("dynamodb", region_name="us-east-1")


def test_check_live_asks_dynamodb(dynamodb, tmp_path, capsys):
    dynamodb.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    (tmp_path / "tables.yaml").write_text("tables: {orders: {key: [id], type_attribute: TYPE}, bills: {}}")

    assert run(["tables", "check", "--live"]) == 2
    assert capsys.readouterr().err == "Error: tables.yaml: tables.bills: DynamoDB has no table of this name\n"


def test_check_live_without_an_answer_is_one_clear_sentence(dynamodb, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (tmp_path / "tables.yaml").write_text("tables: {orders: {}}")

    assert run(["tables", "check", "--live"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Error: DynamoDB does not describe table orders: ")
    assert err.count("\n") == 1
