"""What DynamoDB says of a table. Invariant: a missing table is an answer; everything else that fails is a UserError."""

from collections.abc import Mapping
from typing import Any

from tailrace.errors import UserError


def connect() -> Any:
    """A boto3 DynamoDB client for the environment at hand (`AWS_REGION`, `AWS_ENDPOINT_URL`, credentials)."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 3}))
    except (BotoCoreError, ValueError) as error:
        raise UserError(f"DynamoDB cannot be asked: {error}") from error


def describe_table(client: Any, name: str) -> Mapping[str, Any] | None:
    """The `Table` of DescribeTable, None when there is none. Raises UserError when DynamoDB does not answer."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        description: Mapping[str, Any] = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException:
        return None
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"DynamoDB does not describe table {name}: {error}") from error
    return description
