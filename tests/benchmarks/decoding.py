"""Decode → bulk body: Tailrace beside the deserializers that others build on. Records per second of one core.

Every contestant makes a complete `_bulk` body with the same documents: item, digest, bookkeeping, id, external version.
The others get the plainest code around their deserializer: ids by bare join, numbers through float, no check of names.
`bare` is the same without digest, bookkeeping and version: what a Lambda with that library usually sends.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from aws_lambda_powertools.shared.dynamodb_deserializer import TypeDeserializer as PowertoolsDeserializer
from boto3.dynamodb.types import TypeDeserializer as Boto3Deserializer
from dynamodb_json import json_util

from benchmarks.samples import BATCH, TABLES, event
from tailrace.actions import Planner
from tailrace.bulk import coalesce, pack
from tailrace.decoding import decode_event
from tailrace.tables import load_tables

ROUNDS = 15


def tailrace_body(batch: dict[str, Any]) -> bytes:
    """What the pipeline does between the event and the wire."""
    planner = Planner(SPECS)
    actions = [a for i, r in enumerate(decode_event(batch)) for a in planner.plan(r, i)]
    last, _ = coalesce(actions)
    return b"".join(body.content for body in pack(last, max_bytes=5 << 20))


SPECS = load_tables(TABLES)


def peer_body(
    deserialize: Callable[[dict[str, Any]], dict[str, Any]], is_bare: bool
) -> Callable[[dict[str, Any]], bytes]:
    """A bulk body by another deserializer."""

    def body(batch: dict[str, Any]) -> bytes:
        lines = []
        for record in batch["Records"]:
            document = deserialize(record["dynamodb"]["NewImage"])
            meta = {"_index": "orders", "_id": f"{document['customer_id']}|{document['order_id']}"}
            if not is_bare:
                document["ddb"] = _bookkeeping(record, document)
                meta |= {
                    "version": int(record["dynamodb"]["ApproximateCreationDateTime"]) * 10**9,
                    "version_type": "external",
                }
            lines += orjson.dumps({"index": meta}), orjson.dumps(document, default=_plain)
        return b"\n".join(lines) + b"\n"

    return body


def _bookkeeping(record: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    change = record["dynamodb"]
    canonical = orjson.dumps(document, default=_plain, option=orjson.OPT_SORT_KEYS)
    return {
        "table": record["eventSourceARN"].split("/")[1],
        "key": change["Keys"],
        "op": record["eventName"].lower(),
        "seq": change["SequenceNumber"],
        "event_id": record["eventID"],
        "changed_at": datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC).isoformat(),
        "source": "streams",
        "digest": hashlib.sha256(canonical).hexdigest()[:32],
    }


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else sorted(value)


def contestants() -> dict[str, Callable[[dict[str, Any]], bytes]]:
    """Name → function from an event to a bulk body."""
    boto3, powertools = Boto3Deserializer(), PowertoolsDeserializer()
    peers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "boto3 TypeDeserializer": lambda image: {k: boto3.deserialize(v) for k, v in image.items()},
        "powertools TypeDeserializer": lambda image: {k: powertools.deserialize(v) for k, v in image.items()},
        "dynamodb-json": json_util.loads,
    }
    named = {name: peer_body(read, is_bare=False) for name, read in peers.items()}
    bare = {f"{name}, bare": peer_body(read, is_bare=True) for name, read in peers.items()}
    return {"tailrace": tailrace_body} | named | bare


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Records per second of CPU time, the best round of each; the contestants take turns, so that noise hits all."""
    batch, best = event(), dict.fromkeys(contestants(), 0.0)
    for _ in range(rounds):
        for name, body in contestants().items():
            started = time.process_time()
            body(batch)
            best[name] = max(best[name], BATCH / (time.process_time() - started))
    return best
