"""Exports in S3 as the slices of a load, and the requests that make them.

Invariant: a file is loaded only after its checksum was found right, and from the line where its checkpoint is; asking
for an export twice gives the same one, by its client token, until the job knows its name; nothing here waits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.errors import TailraceError, UserError
from tailrace.exports import (
    FULL_MARGIN_SECONDS,
    DataFile,
    Export,
    ExportError,
    ExportStore,
    chain_exports,
    check_file,
    decode_line,
    read_export,
    read_files,
    read_lines,
    refuse_foreign,
)
from tailrace.jobs import Job
from tailrace.loading import Page, Slice
from tailrace.ports import Clock
from tailrace.records import NANOSECONDS
from tailrace.sides import TableShape
from tailrace.sources import NotYetError

LINES_PER_PAGE = 1_000
BYTES_PER_PAGE = 1024 * 1024  # as a page of a scan: items of 400 KB must not fill the memory by the thousand
PIECE_BYTES = 256 * 1024
POLL_SECONDS = (2.0, 30.0)  # the first pause and the longest: half of the time that an export has taken so far
CLOCKS_DIFFER_SECONDS = 2.0  # exports count whole seconds; what was written to one side alone is a fence older
LATE_SECONDS = 1_800.0  # DynamoDB exports no moment that is too recent, commonly five minutes
SHORTEST_WINDOW_SECONDS = 900.0  # DynamoDB: an incremental export covers 15 minutes to 24 hours
LONGEST_WINDOW_SECONDS = 86_400.0
BACKDATED_NS = (
    NANOSECONDS  # DynamoDB Streams floors to the second: no exported change may outrank a live one of its own
)


class S3ExportStore:
    """See `exports.ExportStore`. `client` is a boto3 S3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, bucket: str, key: str) -> bytes:
        """See `exports.ExportStore.read`."""
        return b"".join(self.stream(bucket, key))

    def stream(self, bucket: str, key: str) -> Iterator[bytes]:
        """See `exports.ExportStore.stream`."""
        try:
            yield from self._client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(PIECE_BYTES)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            missing = code in ("NoSuchKey", "NoSuchBucket", "404")
            what = "is missing" if missing else f"cannot be read: {code}"
            raise ExportError(f"s3://{bucket}/{key} {what}") from error
        except BotoCoreError as error:
            raise ExportError(f"s3://{bucket}/{key} cannot be read: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class ExportSource:
    """See `sources.Source`: exports that exist, or that are asked for. `is_chained` lets incremental exports bring
    a full one up to the time when every writer wrote to both generations.
    """

    store: ExportStore
    requests: "ExportRequests"
    shape: TableShape
    clock: Clock
    is_chained: bool

    @property
    def kind(self) -> str:
        """See `sources.Source.kind`."""
        return "incremental" if self.is_chained else "export"

    def begin(self, job: Job) -> Job:
        """See `sources.Source.begin`."""
        if not job.exports:
            return replace(job, exports=(self.requests.request_full(job),))
        for uri in job.exports:
            self.requests.require_complete(uri)
        covered = self.examine(job.exports)
        if covered + CLOCKS_DIFFER_SECONDS >= job.read_from:
            return job
        if not self.is_chained:
            raise UserError(
                f"the export ends at {_iso(covered)}, before every writer wrote to both generations "
                f"({_iso(job.read_from)}): take --from incremental, which loads what changed since, or "
                "set this machine's clock right"
            )
        return replace(job, exports=(*job.exports, self.requests.request_incremental(job, covered)))

    def slices(self, job: Job) -> Sequence[Slice]:
        """See `sources.Source.slices`."""
        chain, _ = chain_exports([self._open(uri) for uri in job.exports])
        names = tuple(self.shape.key_types)
        return [FileSlice(self.store, each, file, names) for each in chain for file in read_files(self.store, each)]

    def examine(self, uris: Sequence[str]) -> float:
        """Until when exports tell everything, in seconds since the epoch.

        Raises UserError for one of another table, and for exports that do not follow each other; ExportError.
        """
        return chain_exports([self._open(uri) for uri in uris])[1]

    def _open(self, uri: str) -> Export:
        bucket, key = split_uri(uri)
        export = read_export(self.store, bucket, f"{key}/manifest-summary.json")
        refuse_foreign(export, self.shape.name)
        return export


@dataclass(frozen=True, slots=True)
class FileSlice:
    """One data file. Its positions are numbers of lines."""

    store: ExportStore
    export: Export
    file: DataFile
    key_names: tuple[str, ...]

    @property
    def name(self) -> str:
        """See `loading.Slice.name`."""
        return f"{self.export.arn.rpartition('/')[2]}-{self.file.key.rpartition('/')[2]}"

    @property
    def backdated_ns(self) -> int:
        """See `loading.Slice.backdated_ns`."""
        return BACKDATED_NS if self.export.is_incremental else int(FULL_MARGIN_SECONDS * NANOSECONDS)

    def pages(self, position: Any) -> Iterator[Page]:
        """See `loading.Slice.pages`. Raises ExportError for a file that is not what the manifest says."""
        check_file(self.store, self.export, self.file)
        skipped, number, size, records = position or 0, 0, 0, []
        where = f"s3://{self.export.bucket}/{self.file.key}"
        for number, line in enumerate(read_lines(self.store.stream(self.export.bucket, self.file.key), where), start=1):
            if number <= skipped:
                continue
            records.append(decode_line(self.export, self.file, number, line, self.key_names))
            size += len(line)
            if len(records) >= LINES_PER_PAGE or size >= BYTES_PER_PAGE:
                yield Page(records, number, is_last=False)
                size, records = 0, []
        if number != self.file.items:
            raise ExportError(f"{where} has {number:,} lines, and the manifest says {self.file.items:,}")
        yield Page(records, number, is_last=True)


class ExportRequests:
    """Exports asked of DynamoDB. `client` is a boto3 DynamoDB client; they are written to `bucket` below `prefix`."""

    def __init__(self, client: Any, table_arn: str, bucket: str, prefix: str, clock: Clock) -> None:
        self._client = client
        self._table_arn = table_arn
        self._bucket = bucket
        self._prefix = prefix
        self._folder = f"s3://{bucket}/{prefix}/AWSDynamoDB/"  # semantics 6.3, whatever DescribeExport calls it
        self._clock = clock

    def request_full(self, job: Job) -> str:
        """Where the table's export as of now will be. Raises UserError, ExportError.

        No time is named: DynamoDB then takes that of the request, and refuses one that it is told and finds too recent.
        """
        return self._request(f"{job.id}-full")

    def request_incremental(self, job: Job, begins_at: float) -> str:
        """Where the export of what changed since `begins_at` will be.

        Raises NotYetError while its window has not ended, or is too recent for DynamoDB, UserError, ExportError.
        """
        ends_at = min(max(job.read_from, begins_at + SHORTEST_WINDOW_SECONDS), begins_at + LONGEST_WINDOW_SECONDS)
        if (left := ends_at - self._clock.now()) > 0:
            raise NotYetError("the window of an incremental export has not ended", left)
        window = {
            "ExportFromTime": _moment(begins_at),
            "ExportToTime": _moment(ends_at),
            "ExportViewType": "NEW_AND_OLD_IMAGES",
        }
        token = f"{job.id}-{int(begins_at)}"
        return self._request(token, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification=window)

    def require_complete(self, uri: str) -> None:
        """Of an export that was asked for here: raises NotYetError while it is under way, ExportError if it failed."""
        if not uri.startswith(self._folder):
            return
        arn = f"{self._table_arn}/export/{uri.removeprefix(self._folder)}"
        try:
            told = self._client.describe_export(ExportArn=arn)["ExportDescription"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExportNotFoundException":
                return  # somebody else's, or forgotten by DynamoDB: its manifest tells
            raise ExportError(_explain(error, self._table_arn)) from error
        except BotoCoreError as error:
            raise ExportError(f"DynamoDB does not answer: {type(error).__name__}") from error
        if told["ExportStatus"] == "IN_PROGRESS":
            elapsed = self._clock.now() - told["StartTime"].timestamp()
            raise NotYetError(f"{uri} is being written", min(max(elapsed / 2, POLL_SECONDS[0]), POLL_SECONDS[1]))
        if told["ExportStatus"] != "COMPLETED":
            why = told.get("FailureCode", told["ExportStatus"])
            raise ExportError(f"the export to {uri} failed ({why}): give the reindex up with --abort, and begin anew")

    def _request(self, token: str, **what: Any) -> str:
        try:
            told = self._client.export_table_to_point_in_time(
                TableArn=self._table_arn, S3Bucket=self._bucket, S3Prefix=self._prefix, ClientToken=token, **what
            )["ExportDescription"]
        except ClientError as error:
            raise self._refused(error, what) from error
        except BotoCoreError as error:
            raise ExportError(f"DynamoDB does not answer: {type(error).__name__}") from error
        return self._folder + str(told["ExportArn"]).rpartition("/")[2]

    def _refused(self, error: ClientError, what: Mapping[str, Any]) -> TailraceError:
        window = what.get("IncrementalExportSpecification")
        if window and error.response["Error"]["Code"] == "InvalidExportTimeException":
            if self._clock.now() - window["ExportToTime"].timestamp() < LATE_SECONDS:
                return NotYetError("DynamoDB cannot export so recent a moment yet", POLL_SECONDS[1])
            reach = window["ExportFromTime"].isoformat()
            return UserError(
                f"{self._table_arn} cannot be exported from {reach} on, which lies before its point-in-time recovery: "
                "give the reindex up with --abort, and begin with a more recent export"
            )
        return UserError(_explain(error, self._table_arn))


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://BUCKET/PREFIX/AWSDynamoDB/ID`. Raises UserError."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise UserError(f"{uri} is no export: name its folder, s3://BUCKET/PREFIX/AWSDynamoDB/ID")
    return bucket, key.removesuffix("/").removesuffix("/manifest-summary.json")


def _explain(error: ClientError, table_arn: str) -> str:
    code = error.response["Error"]["Code"]
    if code == "PointInTimeRecoveryUnavailableException":
        return f"{table_arn} has no point-in-time recovery, which exports need: turn it on, or take --from scan"
    return f"DynamoDB does not export {table_arn}: {code}"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _iso(seconds: float) -> str:
    return _moment(seconds).isoformat()
