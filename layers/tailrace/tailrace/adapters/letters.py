"""S3 as the letter box of a replay.

Invariant: nothing counts as deleted unless S3 says so of each key, and a listing is read to its last page.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.adapters.s3 import S3DeadLetters
from tailrace.letterboxes import LetterBoxError, StoredObject

MAX_DELETED_AT_ONCE = 1_000  # S3: DeleteObjects
READERS = 8  # a letter is a small object: what costs is the round trip
_GONE = frozenset({"NoSuchKey", "404"})


class S3LetterBox:
    """Dead letters and parked batches in one bucket. `client` is a boto3 S3 client, which threads may share."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._store = S3DeadLetters(client, bucket)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `letterboxes.LetterBox.list`."""
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for found in page.get("Contents", []):
                    yield StoredObject(found["Key"], found["Size"], found["LastModified"].timestamp())
        except (BotoCoreError, ClientError) as error:
            raise self._refused("list", error) from error

    def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """See `letterboxes.LetterBox.read`."""
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self._read, keys))

    def put(self, key: str, body: bytes) -> None:
        """See `letterboxes.LetterBox.put`."""
        self._store.put(key, body)

    def delete(self, keys: Sequence[str]) -> None:
        """See `letterboxes.LetterBox.delete`."""
        for start in range(0, len(keys), MAX_DELETED_AT_ONCE):
            self._delete(keys[start : start + MAX_DELETED_AT_ONCE])

    def _read(self, key: str) -> bytes | None:
        try:
            body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return None
            raise self._refused("read", error) from error
        except BotoCoreError as error:
            raise self._refused("read", error) from error
        return body

    def _delete(self, keys: Sequence[str]) -> None:
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            answer = self._client.delete_objects(Bucket=self._bucket, Delete=objects)
        except (BotoCoreError, ClientError) as error:
            raise self._refused("delete", error) from error
        if refused := answer.get("Errors"):
            first = refused[0]
            raise LetterBoxError(
                f"bucket {self._bucket}: {len(refused)} of {len(keys)} objects could not be deleted, the first is "
                f"{first['Key']}: {first['Code']}"
            )

    def _refused(self, verb: str, error: Exception) -> LetterBoxError:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        return LetterBoxError(f"bucket {self._bucket}: S3 refuses to {verb} objects: {code}")
