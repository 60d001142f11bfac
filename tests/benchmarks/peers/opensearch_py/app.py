"""A contestant: a Lambda function on opensearch-py's bulk helper and boto3's deserializer, as their users write it.

It keeps no version, no sequence number and no digest, and turns numbers into floats.
"""

import os
from collections.abc import Iterator
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from opensearchpy import OpenSearch, helpers

CHUNK = 1_000  # the whole batch in one request: faster for it than the helper's default of 500
deserializer = TypeDeserializer()
client = OpenSearch(os.environ["OPENSEARCH_URL"])


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One batch to OpenSearch. Raises what the helper raises for a refused document."""
    helpers.bulk(client, actions(event), chunk_size=CHUNK)
    return {}


def actions(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The helper's actions for a batch."""
    for record in event["Records"]:
        change = record["dynamodb"]
        keys = (plain(value) for value in change["Keys"].values())
        target = {"_index": "orders", "_id": "|".join(map(str, keys))}
        if record["eventName"] == "REMOVE":
            yield target | {"_op_type": "delete"}
        else:
            yield target | {"_source": {name: plain(value) for name, value in change["NewImage"].items()}}


def plain(value: dict[str, Any]) -> Any:
    """An attribute as the client's serializer takes it: it knows decimals, but not sets."""
    found = deserializer.deserialize(value)
    return sorted(found) if isinstance(found, set) else found
