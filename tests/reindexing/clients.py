"""boto3 clients of an emulator. Invariant: the identity is the emulator's own and nothing of the machine's."""

from typing import Any

import boto3

REGION = "us-east-1"
IDENTITY = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


def connect(service: str, url: str) -> Any:
    """A client of a service at an endpoint."""
    return boto3.client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )
