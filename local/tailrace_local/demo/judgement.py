"""The judges: every item against its document by Tailrace's own rules, and a sample once more by rules of its own.

Invariant: both sides are read anew, the tables consistently and the index after a refresh, when nothing is on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import Any

from tailrace.actions import Planner
from tailrace.tables import Tables
from tailrace_local.demo.comparison import Difference, TableComparison, aliases_of, compare_table
from tailrace_local.demo.cross_check import disagreements, expected_id
from tailrace_local.demo.data import KEYS, Item, key_of
from tailrace_local.demo.documents import Documents
from tailrace_local.demo.results import CrossCheck
from tailrace_local.demo.table_client import TableClient

SAMPLE_ITEMS = 100  # a table; also DynamoDB's quota of keys in one BatchGetItem


@dataclass(slots=True)
class Judgement:
    """Both comparisons over all tables. `sdk` reads what the second opinion looks at."""

    documents: Documents
    tables: TableClient
    sdk: Any  # boto3's DynamoDB client
    specs: Tables
    random: Random
    _samples: dict[str, list[Item]] = field(default_factory=dict)

    def compare_all(self) -> tuple[TableComparison, ...]:
        """Every item of every table against every document of its aliases."""
        self.documents.await_health()
        aliases = self.documents.read_aliases()
        self.documents.refresh(aliases)
        return tuple(self._compare(table, aliases) for table in KEYS)

    def cross_check(self) -> CrossCheck:
        """A sample of the items that `compare_all` has seen, by the second opinion."""
        aliases = self.documents.read_aliases()
        differences = tuple(chain.from_iterable(self._disagreements(table, aliases) for table in self._samples))
        return CrossCheck(sum(map(len, self._samples.values())), differences)

    def _compare(self, table: str, aliases: Sequence[str]) -> TableComparison:
        spec = self.specs.spec(table)
        items = [item for page in self.tables.scan(table) for item in page]
        chosen = self.random.sample(items, min(SAMPLE_ITEMS, len(items)))
        self._samples[table] = [key_of(table, item) for item in chosen]
        documents = ((alias, self.documents.read_all(alias)) for alias in aliases_of(spec, aliases))
        return compare_table(table, items, spec, Planner(self.specs), documents)

    def _disagreements(self, table: str, aliases: Sequence[str]) -> Iterator[Difference]:
        items = self._read_by_sdk(table)
        everywhere = ",".join(aliases_of(self.specs.spec(table), aliases))
        found = self.documents.read_some(everywhere, [expected_id(item, KEYS[table]) for item in items])
        for id_, fields in disagreements(items, KEYS[table], found):
            yield Difference("different" if fields else "missing", table, everywhere, id_, fields)

    def _read_by_sdk(self, table: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        wanted: Any = {table: {"Keys": self._samples[table], "ConsistentRead": True}}
        while wanted:
            answer = self.sdk.batch_get_item(RequestItems=wanted)
            items.extend(answer["Responses"][table])
            wanted = answer.get("UnprocessedKeys")
        return items
