"""In-memory twins of the ports: the engine's published write semantics on a dict.

Invariant: twin and real adapter pass the same contract suite (tests/contracts/test_ports.py); what a test learns from
the twin holds for the engine.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from tailrace.failures import DeadLetterStoreError, EngineError, ItemReadError
from tailrace.ports import ItemResult, StoredDocument
from tailrace.records import Image


@dataclass(slots=True)
class MemoryEngine:
    """External versions, aliases and 409 as OpenSearch has them; deletes leave their version behind for good.

    `refuse` is asked for every action as (alias, id, source) and may answer an ItemResult in the engine's stead;
    `outage` makes every call an EngineError of that status.
    """

    aliases: set[str] = field(default_factory=set)
    documents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    refuse: Callable[[str, str, bytes | None], ItemResult | None] | None = None
    outage: int | None = None
    bodies: list[bytes] = field(default_factory=list)

    def bulk(self, body: bytes, count: int) -> Sequence[ItemResult]:
        """See `ports.SearchEngine.bulk`."""
        self._fail_in_outage()
        self.bodies.append(body)
        results = list(self._apply(iter(body.splitlines())))
        if len(results) != count:
            raise EngineError(503, f"the engine answered {len(results)} results for {count} actions")
        return results

    def read_stored(self, documents: Sequence[tuple[str, str]]) -> Sequence[StoredDocument | None]:
        """See `ports.SearchEngine.read_stored`."""
        self._fail_in_outage()
        return [self._stored(document) for document in documents]

    def ensure_index(self, alias: str, request: Mapping[str, Any]) -> bool:
        """See `ports.SearchEngine.ensure_index`."""
        self._fail_in_outage()
        is_new = alias not in self.aliases
        self.aliases.add(alias)
        return is_new

    def visible(self, alias: str) -> dict[str, Any]:
        """What a search through the read alias finds: documents by id, tombstones hidden."""
        found = {id_: orjson.loads(source) for (a, id_), source in self.documents.items() if a == alias}
        return {id_: document for id_, document in found.items() if not document["ddb"].get("deleted")}

    def _apply(self, lines: Any) -> Any:
        for line in lines:
            ((verb, meta),) = orjson.loads(line).items()
            source = next(lines) if verb == "index" else None
            document = (meta["_index"], meta["_id"])
            refusal = self.refuse(*document, source) if self.refuse else None
            yield refusal or self._write(document, meta["version"], source)

    def _write(self, document: tuple[str, str], version: int, source: bytes | None) -> ItemResult:
        if document[0] not in self.aliases:
            return ItemResult(404, "index_not_found_exception")
        if version <= self.versions.get(document, -1):
            return ItemResult(409, "version_conflict_engine_exception")
        self.versions[document] = version
        known = self.documents.pop(document, None)
        if source is None:
            return ItemResult(200 if known is not None else 404)
        self.documents[document] = source
        return ItemResult(201 if known is None else 200)

    def _stored(self, document: tuple[str, str]) -> StoredDocument | None:
        source = self.documents.get(document)
        if source is None:
            return None
        return StoredDocument(self.versions[document], orjson.loads(source).get("ddb", {}).get("seq"))

    def _fail_in_outage(self) -> None:
        if self.outage is not None:
            raise EngineError(self.outage, f"the engine answered {self.outage}")


@dataclass(slots=True)
class MemoryDeadLetters:
    """Dead letters in a dict by key; `is_down` refuses them."""

    letters: dict[str, bytes] = field(default_factory=dict)
    is_down: bool = False

    def put(self, key: str, body: bytes) -> None:
        """See `ports.DeadLetterStore.put`."""
        if self.is_down:
            raise DeadLetterStoreError("the dead letter could not be stored")
        self.letters[key] = body


@dataclass(slots=True)
class MemoryItems:
    """Tables as lists of items; `is_down` answers no read."""

    tables: dict[str, list[Image]] = field(default_factory=dict)
    is_down: bool = False

    def read(self, table: str, keys: Image) -> Image | None:
        """See `ports.ItemReader.read`."""
        if self.is_down:
            raise ItemReadError(f"table {table} did not answer")
        wanted = _comparable(keys)
        found = (item for item in self.tables.get(table, []) if _comparable(item).items() >= wanted.items())
        return next(found, None)


def _comparable(image: Image) -> dict[str, str]:
    """Attribute values as texts: a consistent spelling of bytes, so that SDK and event images compare."""
    return {name: repr({k: _text_of(v) for k, v in typed.items()}) for name, typed in image.items()}


def _text_of(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


@dataclass(slots=True)
class ManualClock:
    """A clock that moves when it is told to, or when somebody sleeps."""

    seconds: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        """See `ports.Clock.now`."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """See `ports.Clock.sleep`."""
        self.slept.append(seconds)
        self.seconds += seconds

    def jitter(self) -> float:
        """See `ports.Clock.jitter`."""
        return 0.5
