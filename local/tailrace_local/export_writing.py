"""Exports as DynamoDB writes them to S3: data files, both manifests and their checksums, for tests and the laptop.

What it does as DynamoDB does: names, manifests as of the versions 2020-06-30 and 2023-08-01, gzipped JSON or Ion lines,
one data folder of its own for a full export and a shared one for incremental ones, files without items, base64 MD5.
What it does not: encryption, several regions, and the fuzzy minute of the export time. Invariant: the summary is
written last, so that an export with a summary is complete.
"""

import gzip
import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Item = Mapping[str, Mapping[str, Any]]
Put = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """Where an export goes and what it is of. `put` stores an object by key; `export_id` is the end of its ARN."""

    put: Put
    bucket: str
    prefix: str
    table_arn: str
    export_id: str
    format: str = "DYNAMODB_JSON"
    files: int = 4

    @property
    def folder(self) -> str:
        """The key under which DynamoDB writes exports."""
        return f"{self.prefix}/AWSDynamoDB" if self.prefix else "AWSDynamoDB"


def write_full_export(target: ExportTarget, items: Iterable[Item], export_time: float) -> str:
    """A full export of items with binaries as base64 text; the key of its summary."""
    lines = (_encode({"Item": item}, target.format) for item in items)
    summary = {"version": "2020-06-30", "exportTime": _iso(export_time)}
    return _write(target, lines, f"{target.folder}/{target.export_id}/data", summary)


def write_incremental_export(
    target: ExportTarget, changes: Iterable[Mapping[str, Any]], begins_at: float, ends_at: float
) -> str:
    """An incremental export; the key of its summary. Each change has `Keys`, `micros`, and `NewImage` and `OldImage`
    where there are any.
    """
    lines = (_encode(_change(change), target.format) for change in changes)
    summary = {
        "version": "2023-08-01",
        "exportType": "INCREMENTAL_EXPORT",
        "exportFromTime": _iso(begins_at),
        "exportToTime": _iso(ends_at),
        "outputView": "NEW_AND_OLD_IMAGES",
    }
    return _write(target, lines, f"{target.folder}/data", summary)


def _change(change: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"Metadata": {"WriteTimestampMicros": {"N": str(change["micros"])}}, "Keys": change["Keys"]}
    return told | {name: change[name] for name in ("NewImage", "OldImage") if change.get(name) is not None}


def _write(target: ExportTarget, lines: Iterable[str], data_folder: str, summary: Mapping[str, Any]) -> str:
    files = [_write_file(target, data_folder, number, part) for number, part in enumerate(_deal(lines, target.files))]
    home = f"{target.folder}/{target.export_id}"
    manifest = "".join(json.dumps(file, separators=(",", ":")) + "\n" for file in files).encode()
    told = dict(summary) | {
        "exportArn": f"{target.table_arn}/export/{target.export_id}",
        "startTime": _iso(0),
        "endTime": _iso(0),
        "tableArn": target.table_arn,
        "tableId": "00000000-0000-0000-0000-000000000000",
        "s3Bucket": target.bucket,
        "s3Prefix": target.prefix or None,
        "s3SseAlgorithm": "AES256",
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": f"{home}/manifest-files.json",
        "billedSizeBytes": 0,
        "itemCount": sum(file["itemCount"] for file in files),
        "outputFormat": target.format,
    }
    body = json.dumps(told).encode()
    target.put(f"{home}/_started", b"")
    target.put(f"{home}/manifest-files.json", manifest)
    target.put(f"{home}/manifest-files.md5", _md5(manifest).encode())
    target.put(f"{home}/manifest-summary.md5", _md5(body).encode())
    target.put(f"{home}/manifest-summary.json", body)
    return f"{home}/manifest-summary.json"


def _deal(lines: Iterable[str], files: int) -> list[list[str]]:
    dealt: list[list[str]] = [[] for _ in range(files)]
    for number, line in enumerate(lines):
        dealt[number % files].append(line)
    return dealt


def _write_file(target: ExportTarget, folder: str, number: int, lines: list[str]) -> dict[str, Any]:
    body = gzip.compress("".join(line + "\n" for line in lines).encode(), compresslevel=1, mtime=0)
    suffix = "json" if target.format == "DYNAMODB_JSON" else "ion"
    key = f"{folder}/{target.export_id[-8:]}{number:08d}.{suffix}.gz"
    target.put(key, body)
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest() + "-1"
    return {"itemCount": len(lines), "md5Checksum": _md5(body), "etag": etag, "dataFileS3Key": key}


def _md5(body: bytes) -> str:
    return b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encode(told: Mapping[str, Any], format_: str) -> str:
    if format_ == "DYNAMODB_JSON":
        return json.dumps(told, separators=(",", ":"))
    members = ",".join(f"{name}:{{{','.join(_fields(image))}}}" for name, image in told.items())
    return f"$ion_1_0 {{{members}}}"


def _fields(image: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_ion_text(name, quote=chr(39))}:{_ion(value)}" for name, value in image.items())


def _ion(typed: Mapping[str, Any]) -> str:
    [(kind, value)] = typed.items()
    if kind in ("SS", "NS", "BS"):
        return f"$dynamodb_{kind}::[{','.join(_ion({kind[0]: each}) for each in value)}]"
    if kind == "L":
        return f"[{','.join(map(_ion, value))}]"
    if kind == "M":
        return f"{{{','.join(_fields(value))}}}"
    if kind == "BOOL":
        return "true" if value else "false"
    if kind == "NULL":
        return "null"
    return _ion_text(value) if kind == "S" else _ion_number(value) if kind == "N" else _ion_blob(value)


def _ion_text(text: str, quote: str = '"') -> str:
    """As JSON writes it, but for characters beyond the BMP, which JSON would write as two."""
    escaped = json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\x7f")
    return quote + (escaped.replace('\\"', '"').replace("'", "\\'") if quote == "'" else escaped) + quote


def _ion_number(text: str) -> str:
    """A whole number ends in a point, so that Ion takes it for a decimal; an exponent is `d`."""
    number = text.replace("E", "d").replace("e", "d")
    return number if "." in number or "d" in number else number + "."


def _ion_blob(text: str) -> str:
    b64decode(text, validate=True)
    return "{{" + text + "}}"
