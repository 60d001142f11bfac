"""OpenSearch over HTTP: the real adapter of `ports.SearchEngine`, and the few reads the commands need.

A serverless collection (`aoss`) speaks a part of it: what it refuses is not asked of it (trap 26). Invariant: every
write names an alias under require_alias, so that nothing is created with a guessed mapping; every answer is either a
result per action or an EngineError. Error texts carry no item values.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import orjson
import requests

from tailrace.adapters.serverless import refuse_wrong_type
from tailrace.adapters.transport import Answer, Transport
from tailrace.chunking import chunk
from tailrace.failures import EngineError, PartialAnswerError
from tailrace.field_room import describe_fields
from tailrace.generations import generation_name, main_alias, next_alias, previous_alias
from tailrace.ports import CALL_TIMEOUT_SECONDS, IndexFields, ItemResult, StoredDocument

_BULK_PATH = "/_bulk?require_alias=true&filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
_FIELDS = "*.aliases,*.mappings.properties,*.settings.index.mapping.total_fields.limit"
_ALIASES = "/_alias?ignore_unavailable=true&filter_path=*.aliases"
MAX_PATH_BYTES = 3_000  # OpenSearch refuses a first line of over 4 KB
_NDJSON = "application/x-ndjson"
_JSON = "application/json"
_DONE = {200: ItemResult(200), 201: ItemResult(201)}


class OpenSearchEngine:
    """One OpenSearch endpoint through one kept-alive session.

    `auth` is a requests auth object (SigV4) or None; `is_serverless` says that it is a collection of OpenSearch
    Serverless, `is_gzipped` that bodies are compressed. Every call ends within `timeout` seconds.
    """

    def __init__(
        self,
        url: str,
        auth: requests.auth.AuthBase | None = None,
        session: requests.Session | None = None,
        *,
        is_serverless: bool = False,
        is_gzipped: bool = False,
    ) -> None:
        self._transport = Transport(url, auth, session, is_gzipped)
        self.url = self._transport.url
        self.is_serverless = is_serverless

    def bulk(self, body: bytes, count: int, timeout: float = CALL_TIMEOUT_SECONDS) -> Sequence[ItemResult]:
        """See `ports.SearchEngine.bulk`."""
        return self.send_bulk(_BULK_PATH, body, count, timeout)

    def send_bulk(
        self, path: str, body: bytes, count: int, timeout: float = CALL_TIMEOUT_SECONDS
    ) -> Sequence[ItemResult]:
        """As `bulk`, with a path of one's own: `/_bulk?…` and its parameters. Raises EngineError as `bulk` does."""
        content = self.fetch("POST", path, body, _NDJSON, timeout=timeout)
        for status in _DONE:
            if content == _uniform_answer(status, count):  # spares parsing: a quarter of the call's own time
                return [_DONE[status]] * count
        items = _parts(self._parse(content), "items", "{} results for {} actions", count)
        with _promised_shape():
            results = [_item_result(next(iter(item.values()))) for item in items]
        if self.is_serverless:
            refuse_wrong_type(results)
        return results

    def read_stored(
        self, documents: Sequence[tuple[str, str]], timeout: float = CALL_TIMEOUT_SECONDS
    ) -> Sequence[StoredDocument | None]:
        """See `ports.SearchEngine.read_stored`. Reads by id are realtime and see tombstones behind the alias filter."""
        body = orjson.dumps({"docs": [{"_index": alias, "_id": id_} for alias, id_ in documents]})
        content = self.fetch("POST", "/_mget?_source_includes=ddb.seq,ddb.event_id", body, timeout=timeout)
        docs = _parts(self._parse(content), "docs", "{} documents for {} ids", len(documents))
        with _promised_shape():
            return [_stored_document(doc) for doc in docs]

    def read_fields(self, alias: str, timeout: float = CALL_TIMEOUT_SECONDS) -> IndexFields:
        """See `ports.SearchEngine.read_fields`. Of several indices behind the alias, the one that takes the writes."""
        answer = self.request("GET", f"/{quote(alias, safe='')}?filter_path={_FIELDS}", timeout=timeout)
        with _promised_shape():
            name = max(answer, key=lambda name: (_is_write_index(answer[name], alias), name), default="")
            index = answer.get(name, {})
            limit = index.get("settings", {}).get("index", {}).get("mapping", {}).get("total_fields", {}).get("limit")
            return describe_fields(index.get("mappings", {}).get("properties", {}), limit)

    def read_shadows(self, aliases: Collection[str], timeout: float = CALL_TIMEOUT_SECONDS) -> frozenset[str]:
        """See `ports.SearchEngine.read_shadows`. Named one by one: a pattern needs rights on indices of others."""
        deadline = time.monotonic() + timeout
        names = (quote(name, safe="") for alias in aliases for name in (next_alias(alias), previous_alias(alias)))
        found: set[str] = set()
        for named in chunk(((name, len(name) + 1) for name in names), MAX_PATH_BYTES, len(aliases) * 2):
            answer = self.request("GET", f"/{','.join(named)}{_ALIASES}", timeout=deadline - time.monotonic())
            with _promised_shape():
                found.update(alias for index in answer.values() for alias in dict(index["aliases"]))
        return frozenset(alias for alias in found if main_alias(alias) in aliases)

    def ensure_index(self, alias: str, request: Mapping[str, Any], timeout: float = CALL_TIMEOUT_SECONDS) -> bool:
        """See `ports.SearchEngine.ensure_index`. The alias is part of the creation, so both appear together."""
        deadline = time.monotonic() + timeout
        if self.has_alias(alias, timeout):
            return False
        if self.is_serverless:  # a collection refuses settings: it sizes and refreshes its indices itself
            request = {name: part for name, part in request.items() if name != "settings"}
        try:
            path = f"/{quote(generation_name(alias, 1), safe='')}"
            self.request("PUT", path, request, deadline - time.monotonic())
        except EngineError as error:
            if error.error_type != "resource_already_exists_exception":
                raise
            if not self.has_alias(alias, deadline - time.monotonic()):
                raise EngineError(409, f"index {generation_name(alias, 1)} exists without its alias {alias}") from error
            return False
        return True

    def has_alias(self, alias: str, timeout: float = CALL_TIMEOUT_SECONDS) -> bool:
        """Whether an alias of this name exists. Raises EngineError for any answer but yes and no.

        The name stands for the index, too: `/_alias/<name>` asks about all indices, which takes rights on all of them.
        """
        name = quote(alias, safe="")
        answer = self._transport.send("HEAD", f"/{name}/_alias/{name}", None, _JSON, timeout)
        if answer.status not in (200, 404):
            raise _engine_error(answer, may_quote=False)
        return answer.status == 200

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout: float = CALL_TIMEOUT_SECONDS,
    ) -> dict[str, Any]:
        """One JSON request that carries no item, hence may quote the engine's reason; the answer's JSON.

        Raises EngineError for every status but 2xx.
        """
        content = None if body is None else orjson.dumps(body)
        return self._parse(self.fetch(method, path, content, may_quote=True, timeout=timeout))

    def fetch(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content_type: str = _JSON,
        *,
        may_quote: bool = False,
        timeout: float = CALL_TIMEOUT_SECONDS,
    ) -> bytes:
        """The answer to a request as it came, digits and all. `may_quote` lets an error quote the engine's reason.

        Raises EngineError for every status but 2xx.
        """
        answer = self._transport.send(method, path, body, content_type, timeout)
        if not 200 <= answer.status < 300:
            raise _engine_error(answer, may_quote)
        return answer.content

    def _parse(self, content: bytes) -> dict[str, Any]:
        try:
            answer = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            self._transport.forget_connections()
            raise EngineError(503, "the engine's answer is not JSON") from error
        if not isinstance(answer, dict):
            raise EngineError(503, "the engine's answer is JSON, but no object")
        return answer


def _uniform_answer(status: int, count: int) -> bytes:
    """What the engine answers when every one of `count` documents was created (201), or replaced (200)."""
    item = b'{"index":{"status":%d}}' % status
    return b'{"errors":false,"items":[' + b",".join([item] * count) + b"]}"


def _parts(answer: Mapping[str, Any], name: str, told: str, count: int) -> list[Any]:
    parts = answer.get(name, [])
    length = len(parts) if isinstance(parts, list) else "no"
    if length != count:  # failure 79: an action the server overlooked is an error, not a success
        raise EngineError(503, f"the engine answered {told.format(length, count)}")
    return list(parts)


@contextmanager
def _promised_shape() -> Iterator[None]:
    """What answers in the engine's stead may say anything: it is no answer then, and asked again."""
    try:
        yield
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise EngineError(503, f"the engine's answer has not the promised shape: {type(error).__name__}") from error


def _is_write_index(index: Mapping[str, Any], alias: str) -> bool:
    return bool(index.get("aliases", {}).get(alias, {}).get("is_write_index"))


def _item_result(result: Mapping[str, Any]) -> ItemResult:
    status = result["status"]
    error = result.get("error")
    if error is None:
        return _DONE.get(status) or ItemResult(status)
    return ItemResult(status, error.get("type"), error.get("reason"))


def _stored_document(doc: Mapping[str, Any]) -> StoredDocument | None:
    if "error" in doc:
        error_type = doc["error"].get("type")
        # A document's own error has no status. Without the right to read, waiting for one would be in vain.
        status = 403 if error_type == "security_exception" else 503
        raise PartialAnswerError(status, f"a document could not be read: {error_type}", error_type)
    if not doc.get("found"):
        return None
    kept = doc.get("_source", {}).get("ddb", {})
    return StoredDocument(doc["_version"], kept.get("seq"), kept.get("event_id"))


def _engine_error(answer: Answer, may_quote: bool) -> EngineError:
    try:
        error = orjson.loads(answer.content)["error"]
        error_type, reason = error["type"], error.get("reason")
    except (orjson.JSONDecodeError, KeyError, TypeError):
        error_type = reason = None
    told = [str(answer.status), error_type, f"({reason})" if may_quote and reason else None]
    text = "the engine answered " + " ".join(part for part in told if part)
    return EngineError(answer.status, text, error_type)
