"""A position in one shard, kept by the iterators that DynamoDB Streams and Kinesis Data Streams both give.

Invariant: the position moves behind a record only when that record was returned, and is found again after an iterator
has expired.
"""

from __future__ import annotations

from typing import Protocol

from tailrace_local.aws_json import Api, ApiError, Json
from tailrace_local.deliveries import StreamRecord
from tailrace_local.shard_mapping import POLL_RECORDS
from tailrace_local.stream_sources import Page, SourceError, StreamGoneError


class IteratorDialect(Protocol):
    """What differs between the two kinds of stream."""

    def iterator_request(self, shard_id: str, kind: str, sequence_number: str | None) -> Json:
        """A GetShardIterator request; `kind` is its ShardIteratorType."""

    def to_record(self, raw: Json, shard_id: str, now: float) -> StreamRecord:
        """A record of GetRecords (its JSON) as a function receives it."""


class ShardIteratorReader:
    """Reads one shard page by page over a connection of its own. One thread at a time."""

    def __init__(self, dialect: IteratorDialect, api: Api, shard_id: str, position: str) -> None:
        self._dialect = dialect
        self._api = api
        self._shard_id = shard_id
        self._kind, self._last = position, None
        self._iterator: str | None = None

    _last: str | None

    def read(self, now: float) -> Page:
        """The next page; `now` (epoch s) stands for a creation time that a record lacks."""
        try:
            answer = self._get_records()
        except ApiError as error:
            self._find_again(error.code)
            raise as_gone(error) from error
        records = [self._dialect.to_record(raw, self._shard_id, now) for raw in answer["Records"]]
        if records:
            self._kind, self._last = "AFTER_SEQUENCE_NUMBER", records[-1].sequence_number
        self._iterator = answer.get("NextShardIterator")
        return Page(records, is_end=self._iterator is None)

    def _get_records(self) -> Json:
        if self._iterator is None:
            request = self._dialect.iterator_request(self._shard_id, self._kind, self._last)
            self._iterator = self._api.call("GetShardIterator", request)["ShardIterator"]
            if self._kind == "LATEST":
                # Should this iterator expire unread, old records again are better than new ones lost.
                self._kind = "TRIM_HORIZON"
        return self._api.call("GetRecords", {"ShardIterator": self._iterator, "Limit": POLL_RECORDS})

    def _find_again(self, code: str) -> None:
        if code in ("ExpiredIteratorException", "TrimmedDataAccessException"):
            self._iterator = None
        if code == "TrimmedDataAccessException":
            self._kind, self._last = "TRIM_HORIZON", None


def as_gone(error: ApiError) -> SourceError | StreamGoneError:
    """The error itself, or that the stream is gone where it says so."""
    return StreamGoneError("the stream is gone") if error.code == "ResourceNotFoundException" else error
