"""`tailrace verify`: the user's mistakes, each in one sentence with exit status 2."""

import boto3
import pytest
from moto import mock_aws

from tailrace_cli.main import run

TABLES = """\
defaults: {unknown_tables: refuse}
tables:
  orders: {key: [id]}
  planes: {key: [tailnum]}
"""
CLOSED = "http://127.0.0.1:9"  # the discard port: nothing listens there


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A tables file in the current folder, credentials for nowhere, and an engine that is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tables.yaml").write_text(TABLES)
    for name, value in {
        "OPENSEARCH_URL": CLOSED,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("OPENSEARCH_SERVICE", raising=False)


@pytest.fixture
def orders(project):
    """The table `orders` in a DynamoDB of the process's own."""
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="orders",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "customer", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "customer", "KeyType": "HASH"}],
        )
        yield


def error_of(capsys, *arguments):
    status = run(["verify", *arguments])
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err


def test_a_table_that_the_file_refuses(project, capsys):
    assert error_of(capsys, "bills") == (
        2,
        "Error: tables.yaml: table bills is not declared, and unknown tables are refused; "
        "declared are orders, planes\n",
    )


def test_a_table_that_dynamodb_does_not_have(orders, capsys):
    assert error_of(capsys, "planes") == (
        2,
        "Error: DynamoDB has no table planes: check the name, AWS_REGION and AWS_ENDPOINT_URL\n",
    )


def test_a_dynamodb_that_does_not_answer(project, capsys, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", CLOSED)

    status, error = error_of(capsys, "orders")

    assert (status, error.count("\n")) == (2, 1)
    assert error.startswith("Error: DynamoDB does not describe table orders: ")


def test_a_key_that_is_not_the_tables(orders, capsys):
    assert error_of(capsys, "orders") == (
        2,
        "Error: tables.orders.key: the table's key is [customer]; correct the tables file\n",
    )


def test_an_engine_that_does_not_answer(orders, capsys, tmp_path):
    (tmp_path / "tables.yaml").write_text("tables: {orders: {}}")

    assert error_of(capsys, "orders") == (
        2,
        f"Error: OpenSearch at {CLOSED} does not answer; is it up, and is the URL right?\n",
    )


def test_a_url_that_is_none(orders, capsys):
    status, error = error_of(capsys, "orders", "--url", "localhost:9200")

    assert (status, error) == (2, "Error: the URL of OpenSearch must begin with http:// or https:// and name a host\n")


def test_a_missing_url(project, capsys, monkeypatch):
    monkeypatch.delenv("OPENSEARCH_URL")

    status, error = error_of(capsys, "orders")

    assert status == 2
    assert "Error: Missing option '--url'" in error


@pytest.mark.parametrize("option", [("--lag", "-1"), ("--segments", "0"), ("--segments", "65"), ("--service", "x")])
def test_an_option_out_of_range(project, capsys, option):
    status, error = error_of(capsys, "orders", *option)

    assert status == 2
    assert f"Error: Invalid value for '{option[0]}'" in error
