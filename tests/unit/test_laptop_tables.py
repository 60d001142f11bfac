"""The tables that the laptop cloud makes of a tables file."""

from tailrace.tables import load_tables
from tailrace_local.laptop_tables import kinesis_tables, stream_parameters, table_requests


def request(**settings):
    (made,) = table_requests(load_tables({"tables": {"orders": settings}}))
    return made


def types(made):
    return {each["AttributeName"]: each["AttributeType"] for each in made["AttributeDefinitions"]}


def test_a_table_has_its_keys_in_order_and_a_stream_of_both_images():
    assert request(key=["customer", "order"]) == {
        "TableName": "orders",
        "KeySchema": [
            {"AttributeName": "customer", "KeyType": "HASH"},
            {"AttributeName": "order", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "customer", "AttributeType": "S"},
            {"AttributeName": "order", "AttributeType": "S"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def test_a_key_is_a_number_where_its_field_is_one():
    fields = {"id": {"type": "number"}, "at": {"type": "date", "format": "epoch_second"}}

    assert types(request(key=["id", "at"], fields=fields)) == {"id": "N", "at": "N"}


def test_a_key_is_text_where_its_field_is_a_date_in_text():
    assert types(request(key=["at"], fields={"at": {"type": "date"}})) == {"at": "S"}


def test_a_table_without_a_declared_key_is_not_made():
    assert table_requests(load_tables({"tables": {"orders": {}}})) == []


def test_a_table_that_comes_by_kinesis_is_made_like_any_other():
    assert request(key=["id"], source="kinesis") == request(key=["id"])


def test_the_tables_that_come_by_kinesis_are_those_that_say_so():
    tables = load_tables({"tables": {"orders": {"source": "kinesis"}, "carts": {"source": "streams"}, "users": {}}})

    assert kinesis_tables(tables) == {"orders"}


def test_a_stream_goes_to_the_parameter_of_its_table():
    assert stream_parameters({"my-orders": "arn"}) == {"MyOrdersStreamArn": "arn"}
