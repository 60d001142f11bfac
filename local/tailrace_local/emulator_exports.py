"""The emulator, with exports that are written: by itself it says COMPLETED and writes nothing.

It runs in the emulator's process, in place of `python -m ministack`, with the standard library alone. A full export is
the table's items at its time: what the table's stream tells of later changes is undone. An incremental one is made of
the stream's records. Both are written by `export_writing`; what is simpler than on AWS: any time is allowed, no
recovery has to be on, and an export is there within seconds.

Invariant: an export is COMPLETED only when its `manifest-summary.json` is in its bucket.
"""

from __future__ import annotations

import contextvars
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from threading import Lock, Thread
from typing import Any

from tailrace_local.export_writing import ExportTarget, write_full_export, write_incremental_export

Answer = tuple[int, dict[str, str], bytes]
Record = Mapping[str, Any]
SMALLEST_BILL = 10 * 1024 * 1024  # DynamoDB: of an incremental export


@dataclass(slots=True)
class Exports:
    """The exports of one emulator. `ask` is what it does with a request itself; `listed` are its exports by ARN,
    `tables` its tables by name, `put` stores an object, `read_stream` gives the records of a table's stream.
    """

    ask: Callable[[Mapping[str, Any]], Answer]
    listed: Mapping[str, dict[str, Any]]
    tables: Mapping[str, Mapping[str, Any]]
    put: Callable[[str, str, bytes, Any], tuple[Any, ...]]
    read_stream: Callable[[str], Iterable[Record]]
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def request(self, request: Mapping[str, Any]) -> Answer:
        """ExportTableToPointInTime. The same client token gives the same export."""
        status, headers, body = self.ask(request)
        if status != 200:
            return status, headers, body
        arn = json.loads(body)["ExportDescription"]["ExportArn"]
        with self._lock:
            if arn not in self._known:
                self._known[arn] = self._begin(arn, request)
        return status, headers, body

    def describe(self, request: Mapping[str, Any]) -> Answer:
        """DescribeExport."""
        told = self._known.get(request.get("ExportArn", ""))
        if told is None:
            return self._answer(400, {"__type": "ExportNotFoundException", "message": "there is no such export"})
        return self._answer(200, {"ExportDescription": told})

    def _begin(self, arn: str, request: Mapping[str, Any]) -> dict[str, Any]:
        told = self.listed[arn]
        table = self.tables[told["TableArn"].rpartition("/")[2]]
        items = [item for by_sort_key in table["items"].values() for item in by_sort_key.values()]
        window = request.get("IncrementalExportSpecification")
        told |= {"IncrementalExportSpecification": window} if window else {}
        told |= {} if window else {"ExportTime": request.get("ExportTime") or time.time()}
        records = list(self.read_stream(table["TableName"]))
        # What the emulator keeps is kept for an account: a thread of its own has to belong to the same one.
        context = contextvars.copy_context()
        Thread(target=context.run, args=(self._write, told, table, items, records), daemon=True).start()
        return told

    def _write(self, told: dict[str, Any], table: Mapping[str, Any], items: list[Any], records: list[Record]) -> None:
        target = ExportTarget(
            put=lambda key, body: self._put(told["S3Bucket"], key, body),
            bucket=told["S3Bucket"],
            prefix=told.get("S3Prefix", ""),
            table_arn=told["TableArn"],
            export_id=told["ExportArn"].rpartition("/")[2],
            format=told["ExportFormat"],
        )
        try:
            window = told.get("IncrementalExportSpecification")
            if window is None:
                names, moment = [part["AttributeName"] for part in table["KeySchema"]], told["ExportTime"]
                key = write_full_export(target, undo(items, records, names, moment), moment)
            else:
                begins_at, ends_at = window["ExportFromTime"], window["ExportToTime"]
                key = write_incremental_export(target, compact(records, begins_at, ends_at), begins_at, ends_at)
        except OSError as error:
            told |= {"ExportStatus": "FAILED", "FailureCode": str(error), "EndTime": time.time()}
            return
        told |= {"ExportManifest": key, "EndTime": time.time(), "ItemCount": len(items)}
        told |= {"BilledSizeBytes": SMALLEST_BILL} if window else {}
        told["ExportStatus"] = "COMPLETED"

    def _put(self, bucket: str, key: str, body: bytes) -> None:
        status = self.put(bucket, key, body, {})[0]
        if status != 200:
            raise OSError("S3NoSuchBucket" if status == 404 else f"S3 answered {status}")

    def _answer(self, status: int, content: Mapping[str, Any]) -> Answer:
        return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(content).encode()


def undo(items: Iterable[Any], records: Iterable[Record], key_names: Iterable[str], moment: float) -> Iterator[Any]:
    """The items as they were at a moment, by what a stream tells of the changes since; `items` are those of now."""
    before: dict[str, Any] = {}
    for record in records:
        if _micros(record) > moment * 1_000_000:
            before.setdefault(_name(record["dynamodb"]["Keys"]), record["dynamodb"].get("OldImage"))
    yield from (item for item in items if _name({name: item[name] for name in key_names}) not in before)
    yield from (item for item in before.values() if item is not None)


def compact(records: Iterable[Record], begins_at: float, ends_at: float) -> Iterator[dict[str, Any]]:
    """The last state of each item that changed in a window, its end excluded; what came and went in it is left out."""
    changes: dict[str, dict[str, Any]] = {}
    for record in records:
        micros, told = _micros(record), record["dynamodb"]
        if begins_at * 1_000_000 <= micros < ends_at * 1_000_000:
            first = changes.get(_name(told["Keys"]), {"OldImage": told.get("OldImage")})
            last = {"Keys": told["Keys"], "micros": micros, "NewImage": told.get("NewImage")}
            changes[_name(told["Keys"])] = last | {"OldImage": first["OldImage"]}
    return (change for change in changes.values() if change["NewImage"] or change["OldImage"])


def _micros(record: Record) -> int:
    """The emulator writes the millisecond of a change into its sequence number; its time has whole seconds."""
    return int(record["dynamodb"]["SequenceNumber"][:20]) * 1_000


def _name(keys: Mapping[str, Any]) -> str:
    return json.dumps(keys, sort_keys=True)


def main() -> None:
    """Run the emulator."""
    dynamodb, s3 = vars(import_module("ministack.services.dynamodb")), vars(import_module("ministack.services.s3"))
    exports = Exports(
        ask=dynamodb["_export_table_to_point_in_time"],
        listed=dynamodb["_exports"],
        tables=dynamodb["_tables"],
        put=s3["_put_object"],
        read_stream=dynamodb["stream_live_records"],
    )
    dynamodb |= {"_export_table_to_point_in_time": exports.request, "_describe_export": exports.describe}
    import_module("ministack.app").main()


if __name__ == "__main__":
    main()
