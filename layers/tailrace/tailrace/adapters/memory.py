"""In-memory twins of the ports: the engine's published write semantics on a dict.

Invariant: twin and real adapter pass the same contract suite (tests/contracts/test_ports.py); what a test learns from
the twin holds for the engine.
"""

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from tailrace.failures import DeadLetterStoreError, EngineError, ItemReadError
from tailrace.field_room import describe_fields, least_need
from tailrace.generations import main_alias
from tailrace.ports import CALL_TIMEOUT_SECONDS, IndexFields, ItemResult, StoredDocument
from tailrace.records import Image


@dataclass(slots=True)
class MemoryEngine:
    """External versions, aliases and 409 as OpenSearch has them; deletes leave their version behind for good.

    `refuse` is asked for every action as (alias, id, source) and may answer an ItemResult in the engine's stead;
    `refuse_field` is asked for every top-level field as (name, value) and may give a reason to refuse the document;
    `fields` holds what fields each index has and `tables` the table of its `_meta`; `seq_nos` number the writes;
    `outage` makes every call an EngineError of that status.
    """

    aliases: set[str] = field(default_factory=set)
    documents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    refuse: Callable[[str, str, bytes | None], ItemResult | None] | None = None
    refuse_field: Callable[[str, Any], str | None] | None = None
    fields: dict[str, IndexFields] = field(default_factory=dict)
    tables: dict[str, str | None] = field(default_factory=dict)
    seq_nos: dict[tuple[str, str], int] = field(default_factory=dict)
    writes: int = 0
    outage: int | None = None
    bodies: list[bytes] = field(default_factory=list)

    def bulk(self, body: bytes, count: int, timeout: float = CALL_TIMEOUT_SECONDS) -> Sequence[ItemResult]:
        """See `ports.SearchEngine.bulk`."""
        self._fail_in_outage()
        self.bodies.append(body)
        results = list(self._apply(iter(body.splitlines())))
        if len(results) != count:
            raise EngineError(503, f"the engine answered {len(results)} results for {count} actions")
        return results

    def read_stored(
        self, documents: Sequence[tuple[str, str]], timeout: float = CALL_TIMEOUT_SECONDS
    ) -> Sequence[StoredDocument | None]:
        """See `ports.SearchEngine.read_stored`."""
        self._fail_in_outage()
        return [self._stored(document) for document in documents]

    def ensure_index(self, alias: str, request: Mapping[str, Any], timeout: float = CALL_TIMEOUT_SECONDS) -> bool:
        """See `ports.SearchEngine.ensure_index`."""
        self._fail_in_outage()
        if alias in self.aliases:
            return False
        limit = request["settings"]["index"]["mapping"]["total_fields"]["limit"]
        self.fields[alias] = describe_fields(request["mappings"]["properties"], limit)
        self.tables[alias] = request["mappings"]["_meta"]["tailrace"].get("table")
        self.aliases.add(alias)
        return True

    def read_shadows(self, aliases: Collection[str], timeout: float = CALL_TIMEOUT_SECONDS) -> frozenset[str]:
        """See `ports.SearchEngine.read_shadows`."""
        self._fail_in_outage()
        return frozenset(alias for alias in self.aliases if main_alias(alias) in aliases)

    def read_fields(self, alias: str, timeout: float = CALL_TIMEOUT_SECONDS) -> IndexFields:
        """See `ports.SearchEngine.read_fields`."""
        self._fail_in_outage()
        return self.fields.setdefault(alias, describe_fields({}, None))

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
            yield refusal or self._read(document, source) or self._write(document, meta.get("version", -1), source)

    def _read(self, document: tuple[str, str], source: bytes | None) -> ItemResult | None:
        """The document as the mapping takes it, before versions and conditions are looked at; a refusal or None."""
        if source is None or document[0] not in self.aliases:
            return None
        fields = {name: value for name, value in orjson.loads(source).items() if name != "ddb"}
        for name, value in fields.items():
            if self.refuse_field and (reason := self.refuse_field(name, value)):
                return ItemResult(400, "mapper_parsing_exception", reason)
        known = self.read_fields(document[0])
        needs = {name: least_need(value) for name, value in fields.items() if name not in known.names}
        room = known.room - sum(needs.values())
        if room < 0:
            return ItemResult(400, "illegal_argument_exception", "Limit of total fields has been exceeded")
        new = frozenset(name for name, need in needs.items() if need)
        self.fields[document[0]] = IndexFields(known.names | new, room)
        return None

    def _write(self, document: tuple[str, str], version: int, source: bytes | None) -> ItemResult:
        if document[0] not in self.aliases:
            return ItemResult(404, "index_not_found_exception")
        if version <= self.versions.get(document, -1):  # also a probe, which has no version
            return ItemResult(409, "version_conflict_engine_exception")
        self.versions[document] = version
        self.seq_nos[document] = self.writes = self.writes + 1
        known = self.documents.pop(document, None)
        if source is None:
            return ItemResult(200 if known is not None else 404)
        self.documents[document] = source
        return ItemResult(201 if known is None else 200)

    def _stored(self, document: tuple[str, str]) -> StoredDocument | None:
        source = self.documents.get(document)
        if source is None:
            return None
        kept = orjson.loads(source).get("ddb", {})
        return StoredDocument(self.versions[document], kept.get("seq"), kept.get("event_id"))

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
