"""DynamoDB's protocol in front of a `LiveTable`: what a reindex, a verification and an indexer ask of it.

Exports are those of the laptop's emulator, made from the table's own items and stream. Invariant: an export is
COMPLETED only when its summary is in the bucket; what is not spoken here is refused as DynamoDB refuses the unknown.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import orjson

from reindexing.live_table import ARN, NAME, LiveTable
from tailrace_local.emulator_exports import compact
from tailrace_local.export_writing import ExportTarget, write_full_export, write_incremental_export

FILES = 4
Put = Callable[[str, str, bytes], None]
Control = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
_CONTROL = "Control."


class RefusalError(Exception):
    """DynamoDB's error type."""


@dataclass(slots=True)
class TableServer:
    """The operations, by name. `put` stores an object in a bucket; `control` is the test's own way in."""

    table: LiveTable
    put: Put
    control: Control
    name: str = NAME
    exports: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_deleted: bool = False

    def answer(self, operation: str, request: Mapping[str, Any]) -> bytes:
        """The body of the answer. Raises RefusalError."""
        if operation.startswith(_CONTROL):
            return orjson.dumps(self.control(operation.removeprefix(_CONTROL), request))
        if self.is_deleted:
            raise RefusalError("ResourceNotFoundException")
        operations: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = {
            "Scan": self._scan,
            "BatchGetItem": self._get_batch,
            "GetItem": self._get,
            "DescribeTable": self._describe,
            "ExportTableToPointInTime": self._export,
            "DescribeExport": self._describe_export,
            "DescribeContinuousBackups": self._describe_backups,
        }
        if operation not in operations:
            raise RefusalError("UnknownOperationException")
        return operations[operation](request)

    def _scan(self, request: Mapping[str, Any]) -> bytes:
        if request["TableName"] != self.name:
            raise RefusalError("ResourceNotFoundException")
        start = request.get("ExclusiveStartKey")
        segment, total = request.get("Segment", 0), request.get("TotalSegments", 1)
        return self.table.scan(segment, total, start and start["id"]["S"])

    def _get_batch(self, request: Mapping[str, Any]) -> bytes:
        found = self.table.read(key["id"]["S"] for key in request["RequestItems"][NAME]["Keys"])
        return b'{"Responses":{"%s":[%s]},"UnprocessedKeys":{}}' % (NAME.encode(), b",".join(found))

    def _get(self, request: Mapping[str, Any]) -> bytes:
        found = self.table.read([request["Key"]["id"]["S"]])
        return b'{"Item":%s}' % found[0] if found else b"{}"

    def _describe(self, request: Mapping[str, Any]) -> bytes:
        if request["TableName"] != self.name:
            raise RefusalError("ResourceNotFoundException")
        told = {
            "TableName": NAME,
            "TableArn": ARN,
            "TableStatus": "ACTIVE",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "ItemCount": len(self.table),
            "TableSizeBytes": 400 * len(self.table),
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        }
        return orjson.dumps({"Table": told})

    def _describe_backups(self, _request: Mapping[str, Any]) -> bytes:
        recovery = {"PointInTimeRecoveryStatus": "ENABLED"}
        told = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
        return orjson.dumps({"ContinuousBackupsDescription": told})

    def _export(self, request: Mapping[str, Any]) -> bytes:
        token = request["ClientToken"]
        if token not in self.exports:
            export_id = f"{int(time.time() * 1_000):014d}-{len(self.exports):08x}"
            told = {"ExportArn": f"{ARN}/export/{export_id}", "ExportStatus": "IN_PROGRESS", "StartTime": time.time()}
            self.exports[token] = told
            Thread(target=self._write, args=(told, request, self.table.snapshot(), time.time()), daemon=True).start()
        return orjson.dumps({"ExportDescription": self.exports[token]})

    def write_full(self, bucket: str, prefix: str, moment: float) -> str:
        """A full export of what the table holds now, as if of `moment`; its folder as a URI."""
        export_id = f"{int(moment * 1_000):014d}-ffffffff"
        write_full_export(self._target(bucket, prefix, export_id), self.table.snapshot(), moment)
        return f"s3://{bucket}/{prefix}/AWSDynamoDB/{export_id}"

    def _write(self, told: dict[str, Any], request: Mapping[str, Any], items: list[Any], moment: float) -> None:
        export_id = told["ExportArn"].rpartition("/")[2]
        target = self._target(request["S3Bucket"], request.get("S3Prefix", ""), export_id)
        if window := request.get("IncrementalExportSpecification"):
            begins_at, ends_at = window["ExportFromTime"], window["ExportToTime"]
            write_incremental_export(target, compact(list(self.table.log), begins_at, ends_at), begins_at, ends_at)
        else:
            write_full_export(target, items, moment)
        told["ExportStatus"] = "COMPLETED"

    def _target(self, bucket: str, prefix: str, export_id: str) -> ExportTarget:
        return ExportTarget(lambda key, body: self.put(bucket, key, body), bucket, prefix, ARN, export_id, files=FILES)

    def _describe_export(self, request: Mapping[str, Any]) -> bytes:
        for told in self.exports.values():
            if told["ExportArn"] == request["ExportArn"]:
                return orjson.dumps({"ExportDescription": told})
        raise RefusalError("ExportNotFoundException")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tables: TableServer

    def do_POST(self) -> None:
        """One operation."""
        request = orjson.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        try:
            self._send(200, self.tables.answer(self.headers["X-Amz-Target"].partition(".")[2], request))
        except RefusalError as error:
            self._send(400, orjson.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{error}", "message": ""}))

    def log_message(self, *_: object) -> None:
        """Nothing is said about a request."""

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed here all the time."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(tables: TableServer) -> Iterator[str]:
    """The URL of the server, on loopback."""
    handler = type("Handler", (_Handler,), {"tables": tables, "disable_nagle_algorithm": True})
    server = _Server(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, name="table", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
