"""Items, credentials and refusals that are all canaries, for the proof that nobody prints them.

Invariant: whatever a function is given here, and whatever a service answers, holds the canary or nothing worth hiding.
"""

from collections.abc import Callable

import orjson
from builders import change_record, event
from kinesis_builders import kinesis_change
from leaks import CANARY

Answer = tuple[int, bytes]
Script = Callable[[str, str, bytes], Answer | None]

QUOTE = f"failed to parse field [{CANARY}] of type [double], preview of field's value: '{CANARY}-value'"
IDENTITY = {
    "AWS_ACCESS_KEY_ID": "AKIACANARY0000000000",
    "AWS_SECRET_ACCESS_KEY": f"{CANARY}-secret-key",
    "AWS_SESSION_TOKEN": f"{CANARY}-session-token",
}
TABLES = """
tables:
  orders: {key: [id], fields: {total: {type: number}, note: {redact: hash}}}
"""
ITEM = {"id": {"S": f"{CANARY}-id"}, "note": {"S": f"{CANARY}-note"}, "total": {"S": f"{CANARY}-total"}}


def document(status: int, kind: str | None = None) -> Script:
    """A bulk answer in which every document has this result."""
    error = {"error": {"type": kind, "reason": QUOTE, "caused_by": {"reason": QUOTE}}} if kind else {}
    result = {"index": {"_index": "orders", "_id": f"{CANARY}-id", "status": status, **error}}

    def answer(method: str, path: str, body: bytes) -> Answer | None:
        items = [result] * (body.count(b"\n") // 2)
        return (200, orjson.dumps({"errors": kind is not None, "items": items})) if "_bulk" in path else None

    return answer


def always(status: int, content: bytes | None = None) -> Script:
    """Every request is answered by this; without content as OpenSearch refuses, quoting the items it was sent."""

    def answer(method: str, path: str, body: bytes) -> Answer:
        carries_items = "_bulk" in path or "_mget" in path
        error = {"type": "security_exception", "reason": QUOTE if carries_items else "no permissions"}
        return status, orjson.dumps({"error": error, "status": status}) if content is None else content

    return answer


def at(fragment: str, status: int, told: object) -> Script:
    """An answer to requests whose path holds this."""
    return lambda method, path, body: (status, orjson.dumps(told)) if fragment in path else None


def first(*scripts: Script) -> Script:
    """The first answer that one of them has."""
    return lambda *call: next((answer for script in scripts if (answer := script(*call))), None)


def stored(**bookkeeping: object) -> Script:
    """The document that the index holds."""
    source = {"ddb": bookkeeping}
    found = {"_index": "orders@000001", "_id": f"{CANARY}-id", "found": True, "_version": 9, "_source": source}
    return at("_mget", 200, {"docs": [found]})


def aws(status: int, code: str) -> Script:
    """Every AWS service refuses, in JSON or XML as its caller expects, and quotes what it was sent."""
    in_json = orjson.dumps({"__type": code, "message": QUOTE})
    in_xml = f"<Error><Code>{code}</Code><Message>{QUOTE}</Message></Error>".encode()
    return lambda method, path, body: (status, in_json if path == "/" else in_xml)


CONFLICT = document(409, "version_conflict_engine_exception")
NO_ALIAS = document(404, "index_not_found_exception")
ENGINE: dict[str, Script] = {
    "all is well": document(201),
    "a document is refused": first(document(400, "mapper_parsing_exception"), always(200, b"{}")),
    "an identity is refused for a document": document(403, "security_exception"),
    "an index is blocked": document(403, "cluster_block_exception"),
    "an index is busy": document(429, "es_rejected_execution_exception"),
    "a conflict without a sequence number": first(CONFLICT, stored()),
    "a conflict that is stale": first(CONFLICT, stored(seq="9" * 30)),
    "a conflict that cannot be looked at": first(CONFLICT, always(500)),
    "an index cannot be made": first(NO_ALIAS, at("_alias", 404, {}), always(400)),
    "an alias cannot be asked for": first(NO_ALIAS, always(403)),
    "the identity is unknown": always(401),
    "the identity is refused": always(403),
    "the request is wrong": always(400),
    "the request is too large": always(413),
    "the engine is busy": always(429),
    "the engine is away": always(503),
    "another server answers": always(200, f"<html>{CANARY}</html>".encode()),
    "half an answer": always(200, b'{"items": [{"index": {"status": 200, "_id": "' + CANARY.encode()),
    "an answer too few": always(200, b'{"errors": false, "items": []}'),
}
SERVICES: dict[str, Script] = {
    "AWS is well": always(200, b"{}"),
    "AWS refuses": aws(400, "AccessDeniedException"),
    "AWS is away": aws(500, "InternalServerError"),
}
_KEYS_ALONE = change_record(new=ITEM)
del _KEYS_ALONE["dynamodb"]["NewImage"]
_KEYS_ALONE["dynamodb"]["StreamViewType"] = "KEYS_ONLY"
EVENTS = {
    "an item": event(change_record(new=ITEM)),
    "a removal": event(change_record(op="REMOVE", old=ITEM)),
    "keys alone": event(_KEYS_ALONE),
    "a wrong number": event(change_record(new=ITEM | {"total": {"N": f"{CANARY}-total"}})),
    "by Kinesis": event(kinesis_change(new=ITEM)),
}
MALFORMED = [
    None,
    [],
    CANARY,
    {CANARY: CANARY},
    {"Records": CANARY},
    {"Records": [CANARY]},
    {"Records": [{"eventSource": CANARY}]},
    {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": CANARY}]},
    {"Records": [{"eventSource": "aws:dynamodb", "eventName": CANARY, "dynamodb": {"Keys": {"id": CANARY}}}]},
    {"Records": [{"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"Keys": {CANARY: {CANARY: 1}}}}]},
    {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": CANARY, "sequenceNumber": CANARY}}]},
    {"table": CANARY, CANARY: 1},
    {"since": CANARY},
]
