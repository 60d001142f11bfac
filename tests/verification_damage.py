"""Planted damage: each kind of difference, put between a table and its indices behind Tailrace's back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from benchmarks.samples import item
from verification_load import KEY_NAMES, VERSION, plan_document, plan_documents

from tailrace.actions import Action, Planner
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.bulk import pack
from tailrace.expectations import scan_record
from tailrace.generations import alias_name, generation_name
from tailrace.records import NANOSECONDS
from tailrace.tables import Tables

LATER = VERSION + 60 * NANOSECONDS


@dataclass
class Damage:
    """Damages the sample items and documents by their numbers."""

    engine: OpenSearchEngine
    dynamodb: Any
    tables: Tables
    name: str

    def missing(self, numbers: Iterable[int]) -> None:
        for action in plan_documents(self.tables, self.name, numbers):
            self.engine.request("DELETE", f"/{generation_name(action.alias, 1)}/_doc/{quote(action.id, safe='')}")

    def buried(self, numbers: Iterable[int]) -> None:
        planner = Planner(self.tables)
        for action in plan_documents(self.tables, self.name, numbers, LATER):
            number = int(action.id.rpartition("-")[2])
            keys = {part: item(number)[part] for part in KEY_NAMES}
            self._write([planner.absence(scan_record(self.name, keys, None, LATER), action)])

    def stale(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.dynamodb.put_item(TableName=self.name, Item=item(number) | {"total": {"N": "0.5"}})

    def corrupt(self, numbers: Iterable[int]) -> None:
        actions = plan_documents(self.tables, self.name, numbers, LATER)
        self._write(a._replace(source=a.source.replace(b'"note":"leave', b'"note":"Leave')) for a in actions)

    def wrong_index(self, numbers: Iterable[int]) -> None:
        """In the index of a type that none of these items has."""
        actions = list(plan_documents(self.tables, self.name, numbers))
        other = alias_name(self.tables.spec(self.name), "shipped")
        assert other not in {action.alias for action in actions}
        self.missing(numbers)
        self._write(action._replace(alias=other) for action in actions)

    def orphan(self, numbers: Iterable[int]) -> None:
        """Numbers of items that are not in the table."""
        self._write(plan_documents(self.tables, self.name, numbers))

    def resurrected(self, numbers: Iterable[int]) -> None:
        """Numbers of items that are not in the table; an old change was written over a tombstone of a minute later."""
        for number in numbers:
            action = plan_document(Planner(self.tables), self.name, item(number))
            self._write([action._replace(version=LATER + 1)])

    def foreign(self, ids: Iterable[str]) -> None:
        alias = alias_name(self.tables.spec(self.name), "paid")
        for id_ in ids:
            self.engine.request("PUT", f"/{generation_name(alias, 1)}/_doc/{id_}", {"hello": "world"})

    def refresh(self) -> None:
        self.engine.request("POST", f"/{self.tables.spec(self.name).index_prefix}*/_refresh")

    def _write(self, actions: Iterable[Action]) -> None:
        for body in pack(actions, 1_000_000):
            assert {result.status for result in self.engine.bulk(body.content, len(body.actions))} <= {200, 201}
