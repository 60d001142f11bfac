"""Planning: a change record and its table's spec become the bulk actions that make the index say what the table says.

Invariant: planning is a pure function of record and spec; equal records give byte-identical actions on every path.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from tailrace import acceleration
from tailrace.acceleration import Frame
from tailrace.attributes import IllegalAttributeError, ImageReader, canonical_json, digest
from tailrace.documents import RESERVED_FIELD
from tailrace.generations import alias_name
from tailrace.identity import canonical_key, document_id
from tailrace.outcomes import Outcome
from tailrace.records import NANOSECONDS, ChangeRecord, Image, Undecodable
from tailrace.table_rules import Refusal, TableRules
from tailrace.tables import Tables, TableSpec

DEFAULT_TYPE = "default"
MASK = "***"


class Action(NamedTuple):
    """One bulk action: what is to stand in `alias` under `id` from `version` on.

    `source` is the document's JSON, or None for a physical delete; `done` is the outcome once the engine has it;
    `record` is the index of its change record in the batch; `is_undecided` says that another change of the batch may
    be the newer one, so that the table has to be asked.
    """

    alias: str
    id: str
    version: int
    sequence_number: str | None
    source: bytes | None
    done: Outcome
    record: int
    event_id: str | None = None
    is_undecided: bool = False


class NeedsItem(NamedTuple):
    """The record does not carry the new image (its view type leaves it out): the item is to be read from the table."""

    view_type: str


class Planner:
    """Plans the records of one batch. All it remembers (field names, aliases, instants) ends with the batch."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._reader = ImageReader()
        self._rules: dict[str, TableRules] = {}
        self._aliases: dict[tuple[str, str | None], str] = {}
        self._instants: dict[int, str] = {}
        self._native = acceleration.NATIVE
        self._frames: dict[str, Frame] = {}
        self._ordinary: dict[str, tuple[Frame, str]] = {}

    def plan(self, record: ChangeRecord, index: int) -> list[Action] | Outcome | Refusal | NeedsItem:
        """The record's actions (one, or two when it changes its type), or why there are none.

        Raises UnknownTableError for a table that the specs refuse.
        """
        if self._native is not None and record.table in self._ordinary:
            frame, alias = self._ordinary[record.table]
            action = self._native.act(record, frame, alias, index)
            if action is not None:
                return [action]
        rules = self._rules.get(record.table) or self._rules_of(record.table)
        if rules.is_filtered(record):
            return Outcome.FILTERED
        return self._plan_wanted(record, rules, index)

    def plan_run(self, records: list[ChangeRecord | Undecodable], start: int, actions: list[Action]) -> int:
        """Appends the actions of records from `start` on as long as `plan` would give each of them one at a glance.

        Answers the place of the first record that needs `plan` itself, or the number of records.
        """
        if self._native is None or not self._ordinary:
            return start
        return self._native.act_run(records, start, self._ordinary, actions)

    def replan(self, record: ChangeRecord, index: int) -> list[Action]:
        """The actions of a planned record that tells the table's item now, whatever operations the spec leaves out."""
        plan = self._plan_wanted(record, self._rules_of(record.table), index)
        return plan if isinstance(plan, list) else []

    def _plan_wanted(
        self, record: ChangeRecord, rules: TableRules, index: int
    ) -> list[Action] | Outcome | Refusal | NeedsItem:
        if refusal := rules.refuse(record):
            return refusal
        if record.new_image is None and record.operation != "remove":
            return NeedsItem(record.view_type or "unknown")
        try:
            return self._act(record, rules, index) or Outcome.FILTERED
        except IllegalAttributeError as error:
            return Refusal("illegal_item", str(error))
        except (TypeError, ValueError, AttributeError, KeyError):  # also orjson's word for a lone surrogate
            return Refusal("illegal_item", "the record's images are no maps of attribute values in valid Unicode")

    def absence(self, record: ChangeRecord, action: Action) -> Action:
        """The action that removes `action`'s document: the table's item belongs elsewhere, or nowhere."""
        spec = self.spec_of(record.table)
        key_names = spec.key or tuple(sorted(record.keys))
        source = None if spec.deletes == "hard" else self._tombstone(record, key_names)
        return action._replace(source=source, done=Outcome.DELETED)

    def soften(self, record: ChangeRecord, action: Action) -> Action:
        """The tombstone in place of a physical delete, under the name of the action's change."""
        key_names = self.spec_of(record.table).key or tuple(sorted(record.keys))
        named = record._replace(sequence_number=action.sequence_number, event_id=action.event_id)
        return action._replace(source=self._tombstone(named, key_names))

    def can_identify(self, record: ChangeRecord) -> bool:
        """Whether the record's key is one that an item can have, so that the table can be asked for it."""
        try:
            key_names = self.spec_of(record.table).key or tuple(sorted(record.keys))
            return bool(document_id(record.keys, key_names).encode())
        except (IllegalAttributeError, TypeError, ValueError):
            return False

    def spec_of(self, table: str) -> TableSpec:
        """The spec that a table's records follow."""
        return self._rules_of(table).spec

    def _rules_of(self, table: str) -> TableRules:
        rules = self._rules.get(table)
        if rules is None:
            rules = self._rules[table] = TableRules.of(self._tables.spec(table))
            frame = _frame(rules)
            if frame is not None and rules.has_one_alias():
                self._ordinary[table] = frame, alias_name(rules.spec, DEFAULT_TYPE)
            elif frame is not None:
                self._frames[table] = frame
        return rules

    def _act(self, record: ChangeRecord, rules: TableRules, index: int) -> list[Action]:
        is_removal = record.operation == "remove"
        new = None if is_removal else self._alias_of(rules, record.new_image)
        old = self._alias_of(rules, record.old_image) if is_removal or record.old_image is not None else None
        if (is_removal or old is None or old == new) and (action := self._act_natively(record, old or new, index)):
            return [action]
        key_names = rules.spec.key or tuple(sorted(record.keys))
        id_ = document_id(record.keys, key_names, rules.id_prefix)
        version, sequence_number, event_id = record.instant_ns, record.sequence_number, record.event_id
        actions = []
        if old is not None and old != new:
            source = None if rules.spec.deletes == "hard" else self._tombstone(record, key_names)
            actions.append(Action(old, id_, version, sequence_number, source, Outcome.DELETED, index, event_id))
        if new is not None:
            source = self._document(record, rules, key_names)
            actions.append(Action(new, id_, version, sequence_number, source, Outcome.INDEXED, index, event_id))
        return actions

    def _act_natively(self, record: ChangeRecord, alias: str | None, index: int) -> Action | None:
        """The one action of a record whose alias is known, where the accelerator knows how."""
        frame = self._frames.get(record.table)
        if self._native is None or frame is None or alias is None:
            return None
        return self._native.act(record, frame, alias, index)

    def _alias_of(self, rules: TableRules, image: Image | None) -> str | None:
        """The alias an image belongs to; None when the spec's `where` keeps it out of the index."""
        if rules.where and image is not None and not rules.wants(image):
            return None
        type_ = _type_of(image, rules.spec.type_attribute) if rules.spec.type_attribute else None
        alias = self._aliases.get((rules.spec.name, type_))
        if alias is None:
            alias = self._aliases[rules.spec.name, type_] = alias_name(rules.spec, type_ or DEFAULT_TYPE)
        return alias

    def _tombstone(self, record: ChangeRecord, key_names: tuple[str, ...]) -> bytes:
        return ("{" + self._bookkeeping(record, key_names) + ',"deleted":true}}').encode()

    def _document(self, record: ChangeRecord, rules: TableRules, key_names: tuple[str, ...]) -> bytes:
        fields = self._reader.read({} if record.new_image is None else record.new_image)
        if rules.redactions:
            _redact(fields, rules.redactions)
        canonical = canonical_json(fields)
        tail = f'{self._bookkeeping(record, key_names)},"digest":"{digest(canonical)}"'
        if RESERVED_FIELD in fields:
            reserved = {RESERVED_FIELD: {"value": fields.pop(RESERVED_FIELD), "reason": "the name is reserved"}}
            tail += f',"rejected":{orjson.dumps(reserved).decode()},"rejected_fields":["{RESERVED_FIELD}"]'
            canonical = canonical_json(fields)
        return canonical[:-1] + (b"," if fields else b"") + tail.encode() + b"}}"

    def _bookkeeping(self, record: ChangeRecord, key_names: tuple[str, ...]) -> str:
        """`"ddb":{…` without its end. One template: a dict and its dump would cost a tenth of the whole decoding.

        Table, operation, sequence number, instant and source need no escaping: decoding lets only plain words through.
        """
        sequence_number = f'"seq":"{record.sequence_number}",' if record.sequence_number is not None else ""
        ttl = ',"ttl":true' if record.is_ttl_delete else ""
        return (
            f'"ddb":{{"table":"{record.table}","key":{orjson.dumps(canonical_key(record.keys, key_names)).decode()},'
            f'"op":"{record.operation}",{sequence_number}"event_id":{orjson.dumps(record.event_id).decode()},'
            f'"changed_at":"{self._instants.get(record.instant_ns) or self._instant(record.instant_ns)}",'
            f'"source":"{record.source}"{ttl}'
        )

    def _instant(self, instant_ns: int) -> str:
        text = self._instants[instant_ns] = iso_instant(instant_ns)
        return text


def rewrite(action: Action, alias: str, backdated_ns: int) -> Action:
    """The action for another alias, and so much older. A load does it to each: `_replace` takes four times as long."""
    _, id_, version, sequence_number, source, done, record, event_id, is_undecided = action
    version = max(version - backdated_ns, 0)
    return Action(alias, id_, version, sequence_number, source, done, record, event_id, is_undecided)


def _frame(rules: TableRules) -> Frame | None:
    """What the accelerator needs of a table; None where fields are redacted, which is not its work."""
    if rules.redactions:
        return None
    deleted = None if rules.spec.deletes == "hard" else Outcome.DELETED
    return (Action, Outcome.INDEXED, deleted, rules.spec.key, rules.id_prefix)


def iso_instant(instant_ns: int) -> str:
    """Nanoseconds since the epoch as an ISO instant in UTC, with only as many fraction digits as are needed."""
    seconds, rest = divmod(instant_ns, NANOSECONDS)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09d}".rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def _type_of(image: Image | None, attribute: str) -> str | None:
    """The type's name: the attribute's S value lower-cased; None for an item without one."""
    value = image.get(attribute, {}).get("S") if image is not None else None
    return value.lower() if value else None


def _redact(fields: dict[str, Any], redactions: tuple[tuple[str, str], ...]) -> None:
    for name, how in redactions:
        if name not in fields:
            continue
        if how == "drop":
            del fields[name]
        else:
            fields[name] = MASK if how == "mask" else digest(canonical_json({name: fields[name]}))
