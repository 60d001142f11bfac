"""S3 as the store of dead letters. Invariant: `put` returns only after S3 has said yes."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.failures import DeadLetterStoreError


class S3DeadLetters:
    """Dead letters in one bucket. `client` is a boto3 S3 client."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes) -> None:
        """See `ports.DeadLetterStore.put`."""
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
        except (BotoCoreError, ClientError) as error:
            raise DeadLetterStoreError(f"the dead letter could not be stored: {type(error).__name__}") from error
