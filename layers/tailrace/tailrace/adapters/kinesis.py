"""Kinesis as the stream of changes. Invariant: every entry's own result is looked at; none is taken as written."""

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

from tailrace.failures import ChangeStreamError, Disposition
from tailrace.ports import StreamEntry

# What no repetition mends: the identity, the stream's name, its key, or a request that is against the rules.
_REFUSALS = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidArgumentException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
        "KMSOptInRequired",
        "NotAuthorized",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


class KinesisChangeStream:
    """One Kinesis stream, by name or ARN. `client` is a boto3 Kinesis client."""

    def __init__(self, client: Any, stream: str) -> None:
        self._client = client
        self._target = {"StreamARN" if stream.startswith("arn:") else "StreamName": stream}

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[str | None]:
        """See `ports.ChangeStream.put`."""
        records = [{"Data": entry.data, "PartitionKey": entry.partition_key} for entry in entries]
        try:
            answer = self._client.put_records(Records=records, **self._target)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise ChangeStreamError(code, _disposition(code in _REFUSALS)) from error
        except BotoCoreError as error:
            is_refusal = isinstance(error, ParamValidationError | NoCredentialsError)
            raise ChangeStreamError(type(error).__name__, _disposition(is_refusal)) from error
        results = [result.get("ErrorCode") for result in answer["Records"]]
        if len(results) != len(entries):
            raise ChangeStreamError("ResultCountMismatch", Disposition.RETRY)
        return results


def _disposition(is_refusal: bool) -> Disposition:
    return Disposition.REFUSE if is_refusal else Disposition.RETRY
