"""The table itself. Invariant: only consistent reads, so that what is read is at least as new as the record at hand."""

import base64
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.failures import ItemReadError
from tailrace.records import Image


class DynamoDBItems:
    """Items by key. `client` is a boto3 DynamoDB client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, table: str, keys: Image) -> Image | None:
        """See `ports.ItemReader.read`."""
        try:
            answer = self._client.get_item(TableName=table, Key=_sdk_key(keys), ConsistentRead=True)
        except (BotoCoreError, ClientError) as error:
            raise ItemReadError(f"table {table} did not answer: {type(error).__name__}") from error
        item: Image | None = answer.get("Item")
        return item


def _sdk_key(keys: Image) -> dict[str, Mapping[str, Any]]:
    """boto3 takes the bytes of a B value; events carry base64 text."""
    return {
        name: {"B": base64.b64decode(value["B"])} if isinstance(value.get("B"), str) else value
        for name, value in keys.items()
    }
