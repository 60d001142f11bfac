"""DynamoDB's exports: their manifests, and the lines of their data files as change records.

A full export is the table at `exportTime`, true to a minute; an incremental one holds the last state of each item that
changed, deletions included. Invariant: what is loaded is what the manifest names, file by file: the data folder of
incremental exports is shared (trap 29); a line that cannot be read becomes a dead letter with its file and number, and
its neighbours are loaded (failure 41).
"""

import hashlib
import json
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import orjson

from tailrace import acceleration
from tailrace.attributes import IllegalAttributeError, canonical_number
from tailrace.errors import TailraceError, UserError
from tailrace.ion import IonError, parse_line
from tailrace.raw_events import RawMap, UnreadMap
from tailrace.records import NANOSECONDS, ChangeRecord, Image, Undecodable

FULL_MARGIN_SECONDS = 120.0  # semantics 6.3: the time of an export is true to a minute; as much again for clocks
MICROSECOND = 1_000
MAX_LINE_BYTES = 16 * 1024 * 1024  # an item has 400 KB; as JSON, at its worst, some ten times that
INFLATED_AT_ONCE = 1024 * 1024
_FORMATS = ("DYNAMODB_JSON", "ION")


class ExportError(TailraceError):
    """An export cannot be read, or is not what its manifest says."""


class ExportStore(Protocol):
    """The bucket that exports were written to."""

    def read(self, bucket: str, key: str) -> bytes:
        """A small object. Raises ExportError where it is missing or cannot be read."""

    def stream(self, bucket: str, key: str) -> Iterator[bytes]:
        """An object in pieces. Raises ExportError where it is missing or cannot be read."""


class DataFile(NamedTuple):
    """One data file by its manifest; `md5` is base64."""

    key: str
    items: int
    md5: str


@dataclass(frozen=True, slots=True)
class Export:
    """An export by its `manifest-summary.json`. Times are seconds since the epoch; `begins_at` is 0 for a full one."""

    arn: str
    table_arn: str
    bucket: str
    manifest_files_key: str
    format: str
    is_incremental: bool
    begins_at: float
    ends_at: float
    items: int

    @property
    def table(self) -> str:
        """The table's name, as its ARN has it."""
        return self.table_arn.partition(":table/")[2]

    @property
    def instant_ns(self) -> int:
        """The time of a full one's items, in nanoseconds since the epoch."""
        return int(self.ends_at * NANOSECONDS)


def read_export(store: ExportStore, bucket: str, summary_key: str) -> Export:
    """An export by the key of its `manifest-summary.json`. Raises ExportError."""
    where = f"s3://{bucket}/{summary_key}"
    try:
        told = orjson.loads(store.read(bucket, summary_key))
        is_incremental = told.get("exportType") == "INCREMENTAL_EXPORT"
        export = Export(
            arn=told["exportArn"],
            table_arn=told["tableArn"],
            bucket=told["s3Bucket"],
            manifest_files_key=told["manifestFilesS3Key"],
            format=told["outputFormat"],
            is_incremental=is_incremental,
            begins_at=_instant(told["exportFromTime"]) if is_incremental else 0.0,
            ends_at=_instant(told["exportToTime" if is_incremental else "exportTime"]),
            items=int(told["itemCount"]),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"{where} is no summary of an export by DynamoDB") from error
    if export.format not in _FORMATS:
        raise ExportError(f"{where}: exports in {export.format} cannot be read, those in {' or '.join(_FORMATS)} can")
    return export


def read_files(store: ExportStore, export: Export) -> list[DataFile]:
    """The data files that the manifest names, JSON Lines; empty ones left out. Raises ExportError."""
    where = f"s3://{export.bucket}/{export.manifest_files_key}"
    try:
        lines = map(orjson.loads, store.read(export.bucket, export.manifest_files_key).splitlines())
        files = [DataFile(told["dataFileS3Key"], int(told["itemCount"]), told["md5Checksum"]) for told in lines]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{where} is no list of data files by DynamoDB") from error
    if (total := sum(file.items for file in files)) != export.items:
        raise ExportError(f"{where} names files of {total:,} items, and the summary says {export.items:,}")
    return [file for file in files if file.items]


def refuse_foreign(export: Export, table: str) -> None:
    """Raises UserError for an export of another table."""
    if export.table != table:
        raise UserError(f"{export.arn} is an export of table {export.table}, not of {table}: name one of {table}")


def chain_exports(exports: Sequence[Export]) -> tuple[list[Export], float]:
    """The full export with the incremental ones that follow it, in order, and until when they tell everything.

    One that ended before the full one tells nothing new. An incremental export leaves out what came and went within
    its window; so the next one has to begin where the one before ends, in whole seconds, or a removal could be told by
    none. Raises UserError.
    """
    incremental = sorted((each for each in exports if each.is_incremental), key=lambda each: each.begins_at)
    full = [each for each in exports if not each.is_incremental]
    if len(full) != 1:
        raise UserError(f"of the exports given, one has to be a full one, and not {len(full)}")
    chain = full
    for export in (each for each in incremental if each.ends_at > full[0].ends_at):
        if abs(export.begins_at - chain[-1].ends_at) >= 1.0:
            ended, begins = (datetime.fromtimestamp(t, UTC).isoformat() for t in (chain[-1].ends_at, export.begins_at))
            raise UserError(
                f"{export.arn} begins at {begins}, and has to begin where the one before it ends, at {ended}"
            )
        chain.append(export)
    return chain, chain[-1].ends_at


def check_file(store: ExportStore, export: Export, file: DataFile) -> None:
    """Read a file once for its checksum, before a line of it is loaded. Raises ExportError where it differs."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in store.stream(export.bucket, file.key):
        digest.update(piece)
    if b64encode(digest.digest()).decode() != file.md5:
        raise ExportError(f"s3://{export.bucket}/{file.key} is not the file of the manifest: its MD5 differs")


def read_lines(pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    """The lines of a gzipped file, in flat memory. Raises ExportError where it is cut off or no gzip."""
    rest = b""
    for text in _inflate(pieces, where):
        *lines, rest = (rest + text).split(b"\n")
        yield from lines
        if len(rest) > MAX_LINE_BYTES:
            raise ExportError(f"{where} has a line of over {MAX_LINE_BYTES:,} bytes")
    if rest:
        yield rest


def _inflate(pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    inflater, has_begun = zlib.decompressobj(wbits=31), False
    try:
        for piece in pieces:
            while piece:
                if inflater.eof:
                    inflater = zlib.decompressobj(wbits=31)  # another member of the same file
                has_begun = True
                yield inflater.decompress(piece, INFLATED_AT_ONCE)
                piece = inflater.unconsumed_tail or inflater.unused_data
    except zlib.error as error:
        raise ExportError(f"{where} is no gzip, or damaged") from error
    if not has_begun or not inflater.eof:
        raise ExportError(f"{where} is cut off")


def decode_line(
    export: Export, file: DataFile, number: int, line: bytes, key_names: tuple[str, ...]
) -> ChangeRecord | Undecodable:
    """The record of line `number`, counted from 1. Never raises for what a line says."""
    if (
        export.format != "ION"
        and not export.is_incremental
        and (record := _unread(export, file, number, line, key_names))
    ):
        return record
    source = "incremental" if export.is_incremental else "export"
    place = _place(export, file, number)
    try:
        told = parse_line(line.decode()) if export.format == "ION" else orjson.loads(line)
        wire = place | told
        return _incremental(export, told, wire) if export.is_incremental else _full(export, told, wire, key_names)
    except (
        orjson.JSONDecodeError,
        IonError,
        IllegalAttributeError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
    ):
        wire = place | {"bytes": b64encode(line).decode()}
        detail = f"line {number} of {file.key} is none of an export"
        return Undecodable("undecodable", detail, None, source, export.arn, wire, export.table)


def _place(export: Export, file: DataFile, number: int) -> dict[str, Any]:
    return {"export": export.arn, "file": file.key, "line": number}


class _Line(UnreadMap):
    """A line as a dead letter carries it."""

    __slots__ = ("_read", "_source")

    def __init__(self, *source: Any) -> None:
        self._source = source

    def _load(self) -> dict[str, Any]:
        export, file, number, line = self._source
        told: dict[str, Any] = json.loads(line)
        return _place(export, file, number) | told


def _unread(
    export: Export, file: DataFile, number: int, line: bytes, key_names: tuple[str, ...]
) -> ChangeRecord | None:
    """The record of an ordinary line of a full export, by the accelerator."""
    native = acceleration.NATIVE
    told = native.read_item(line, key_names, RawMap) if native is not None else None
    if told is None:
        return None
    keys, item = told
    wire = _Line(export, file, number, line)
    return _record(export, "backfill", keys, item, item, export.instant_ns, "export", wire)


def _full(export: Export, told: Mapping[str, Any], wire: Mapping[str, Any], key_names: Iterable[str]) -> ChangeRecord:
    item: Image = told["Item"]
    keys = {name: item[name] for name in key_names}
    return _record(export, "backfill", keys, item, item, export.instant_ns, "export", wire)


def _incremental(export: Export, told: Mapping[str, Any], wire: Mapping[str, Any]) -> ChangeRecord:
    """Deletions have no new image; an old one is there only with the view NEW_AND_OLD_IMAGES, and of older items."""
    new = told.get("NewImage")
    old = told.get("OldImage") or new
    instant = int(canonical_number(told["Metadata"]["WriteTimestampMicros"]["N"])) * MICROSECOND
    operation = "remove" if new is None else "backfill"
    return _record(export, operation, told["Keys"], new, old, instant, "incremental", wire)


def _record(
    export: Export,
    operation: str,
    keys: Image,
    new: Image | None,
    old: Image | None,
    instant: int,
    source: str,
    wire: Mapping[str, Any],
) -> ChangeRecord:
    return ChangeRecord(
        export.table, operation, keys, new, old, None, None, instant, source, export.arn, False, None, None, wire
    )


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
