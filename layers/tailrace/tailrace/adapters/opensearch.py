"""OpenSearch over HTTP: the real adapter of `ports.SearchEngine`, and the few reads the commands need.

Invariant: every write names an alias under require_alias, so that nothing is created with a guessed mapping; every
answer is either a result per action or an EngineError. Error texts carry no item values.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import requests

from tailrace.failures import EngineError
from tailrace.field_room import describe_fields
from tailrace.generations import generation_name
from tailrace.ports import IndexFields, ItemResult, StoredDocument

CONNECT_TIMEOUT_SECONDS = 3.05
READ_TIMEOUT_SECONDS = 30.0
_BULK_PATH = "/_bulk?require_alias=true&filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
_FIELDS = "*.aliases,*.mappings.properties,*.settings.index.mapping.total_fields.limit"
_NDJSON = {"Content-Type": "application/x-ndjson"}
_JSON = {"Content-Type": "application/json"}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_DONE = {200: ItemResult(200), 201: ItemResult(201)}


class OpenSearchEngine:
    """One OpenSearch endpoint through one kept-alive session.

    `url` without a trailing slash; `auth` is a requests auth object (SigV4) or None.
    """

    def __init__(
        self, url: str, auth: requests.auth.AuthBase | None = None, session: requests.Session | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._session = session or requests.Session()
        self._session.auth = auth or _no_auth
        if urlsplit(self.url).hostname in _LOOPBACK:
            self._session.trust_env = False  # a proxy of the environment cannot reach this machine's loopback

    def bulk(self, body: bytes, count: int) -> Sequence[ItemResult]:
        """See `ports.SearchEngine.bulk`."""
        return self.send_bulk(_BULK_PATH, body, count)

    def send_bulk(self, path: str, body: bytes, count: int) -> Sequence[ItemResult]:
        """As `bulk`, with a path of one's own: `/_bulk?…` and its parameters. Raises EngineError as `bulk` does."""
        answer = self._call("POST", path, body, _NDJSON)
        items = answer.get("items", [])
        if len(items) != count:  # failure 79: an action the server overlooked is an error, not a success
            raise EngineError(503, f"the engine answered {len(items)} results for {count} actions")
        return [_item_result(result) for item in items for result in item.values()]

    def read_stored(self, documents: Sequence[tuple[str, str]]) -> Sequence[StoredDocument | None]:
        """See `ports.SearchEngine.read_stored`. Reads by id are realtime and see tombstones behind the alias filter."""
        body = {"docs": [{"_index": alias, "_id": id_} for alias, id_ in documents]}
        answer = self._call("POST", "/_mget?_source_includes=ddb.seq,ddb.event_id", orjson.dumps(body), _JSON)
        docs = answer.get("docs", [])
        if len(docs) != len(documents):
            raise EngineError(503, f"the engine answered {len(docs)} documents for {len(documents)} ids")
        return [_stored_document(doc) for doc in docs]

    def read_fields(self, alias: str) -> IndexFields:
        """See `ports.SearchEngine.read_fields`. Of several indices behind the alias, the one that takes the writes."""
        answer = self.request("GET", f"/{quote(alias, safe='')}?filter_path={_FIELDS}")
        name = max(answer, key=lambda name: (_is_write_index(answer[name], alias), name), default="")
        index = answer.get(name, {})
        limit = index.get("settings", {}).get("index", {}).get("mapping", {}).get("total_fields", {}).get("limit")
        return describe_fields(index.get("mappings", {}).get("properties", {}), limit)

    def ensure_index(self, alias: str, request: Mapping[str, Any]) -> bool:
        """See `ports.SearchEngine.ensure_index`. The alias is part of the creation, so both appear together."""
        if self.has_alias(alias):
            return False
        try:
            self.request("PUT", f"/{quote(generation_name(alias, 1), safe='')}", request)
        except EngineError as error:
            if error.error_type != "resource_already_exists_exception":
                raise
            if not self.has_alias(alias):
                raise EngineError(409, f"index {generation_name(alias, 1)} exists without its alias {alias}") from error
            return False
        return True

    def has_alias(self, alias: str) -> bool:
        """Whether an alias of this name exists. Raises EngineError for any answer but yes and no."""
        response = self._send("HEAD", f"/_alias/{quote(alias, safe='')}", None, _JSON)
        if response.status_code not in (200, 404):
            raise _engine_error(response, may_quote=False)
        return response.status_code == 200

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One JSON request that carries no item, hence may quote the engine's reason; the answer's JSON.

        Raises EngineError for every status from 400 on.
        """
        return self._call(method, path, None if body is None else orjson.dumps(body), _JSON, may_quote=True)

    def _call(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], may_quote: bool = False
    ) -> dict[str, Any]:
        response = self._send(method, path, body, headers)
        if response.status_code >= 400:
            raise _engine_error(response, may_quote)
        try:
            answer: dict[str, Any] = orjson.loads(response.content)
            return answer
        except orjson.JSONDecodeError as error:
            raise EngineError(503, "the engine's answer is not JSON") from error

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> requests.Response:
        timeout = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        try:
            return self._session.request(method, self.url + path, data=body, headers=headers, timeout=timeout)
        except requests.RequestException as error:
            raise EngineError(503, f"no answer from the engine: {type(error).__name__}") from error


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stands for no authentication: with none at all, requests would look for a ~/.netrc on every call."""
    return request


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
        raise EngineError(503, f"a document could not be read: {doc['error'].get('type')}")
    if not doc.get("found"):
        return None
    kept = doc.get("_source", {}).get("ddb", {})
    return StoredDocument(doc["_version"], kept.get("seq"), kept.get("event_id"))


def _engine_error(response: requests.Response, may_quote: bool) -> EngineError:
    try:
        error = orjson.loads(response.content)["error"]
        error_type, reason = error["type"], error.get("reason")
    except (orjson.JSONDecodeError, KeyError, TypeError):
        error_type = reason = None
    told = [str(response.status_code), error_type, f"({reason})" if may_quote and reason else None]
    text = "the engine answered " + " ".join(part for part in told if part)
    return EngineError(response.status_code, text, error_type)
