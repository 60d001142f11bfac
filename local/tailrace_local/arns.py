"""The names that things have on the laptop, so that every module and every emulator says the same.

Invariant: the account, the region and the stack are constants; nothing of a real account can slip in.
"""

from __future__ import annotations

ACCOUNT_ID = "000000000000"  # what the emulator uses where the credentials name no account
REGION = "us-east-1"
STACK = "tailrace"


def function_arn(name: str) -> str:
    """The ARN of a function, by its name."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}"


def bucket_arn(name: str) -> str:
    """The ARN of a bucket, by its name."""
    return f"arn:aws:s3:::{name}"


def data_stream_arn(name: str) -> str:
    """The ARN of a Kinesis data stream, by its name."""
    return f"arn:aws:kinesis:{REGION}:{ACCOUNT_ID}:stream/{name}"


def state_machine_arn(name: str) -> str:
    """The ARN of a state machine, by its name."""
    return f"arn:aws:states:{REGION}:{ACCOUNT_ID}:stateMachine:{name}"


def table_of_stream(stream_arn: str) -> str:
    """The table's name in a stream's ARN: the labels of streams hold colons, table names hold no slash."""
    return stream_arn.split("/")[1]
