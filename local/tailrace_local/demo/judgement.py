"""The judges: `tailrace verify` of every table, and a sample of its items once more by rules that are not Tailrace's.

Invariant: both sides are read anew, the tables consistently and the index after a refresh, when nothing is on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import Any

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.engine_access import open_engine
from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.table_scan import open_table
from tailrace.certificates import Certificate
from tailrace.records import Image
from tailrace.sides import is_alias_of
from tailrace.tables import Tables
from tailrace.verifying import VerifyOptions, verify_table
from tailrace_local.clients import Clients
from tailrace_local.demo.cross_check import disagreements, expected_id
from tailrace_local.demo.data import KEYS
from tailrace_local.demo.documents import Documents
from tailrace_local.demo.results import CrossCheck, Disagreement
from tailrace_local.demo.sampling import SampledTable

SEGMENTS = 1  # one after the other, items come in the same order every time, and so the sample repeats
OPTIONS = VerifyOptions(lag_seconds=2.0, is_deep=True)  # short: nothing is on its way any more


@dataclass(slots=True)
class Judgement:
    """Both judges over all tables. The second opinion reads the index by `documents`, and items by the SDK's client."""

    documents: Documents
    engine_url: str
    clients: Clients
    specs: Tables
    random: Random
    _samples: dict[str, list[Image]] = field(default_factory=dict)

    def verify_all(self) -> tuple[Certificate, ...]:
        """Every table against its indices, in both directions and by content. Raises what `verify_table` raises."""
        self.documents.await_health()
        self.documents.refresh(self.documents.read_aliases())
        with open_engine(self.engine_url, "none") as engine:
            index = OpenSearchIndex(engine)
            return tuple(self._verify(table, index) for table in KEYS)

    def cross_check(self) -> CrossCheck:
        """A sample of the items that `verify_all` has seen, by the second opinion. Raises ReadError."""
        aliases = self.documents.read_aliases()
        differences = tuple(chain.from_iterable(self._disagreements(table, aliases) for table in self._samples))
        return CrossCheck(sum(map(len, self._samples.values())), differences)

    def _verify(self, table: str, index: OpenSearchIndex) -> Certificate:
        clock = SystemClock()
        with open_table(table, clock, SEGMENTS, self.clients.dynamodb, self.clients.credentials) as items:
            sampled = SampledTable(items, self.random)
            self._samples[table] = sampled.keys
            return verify_table(self.specs, sampled, index, clock, OPTIONS)

    def _disagreements(self, table: str, aliases: Sequence[str]) -> Iterator[Disagreement]:
        items = self._read_by_sdk(table)
        spec = self.specs.spec(table)
        everywhere = ",".join(alias for alias in aliases if is_alias_of(spec, alias))
        found = self.documents.read_some(everywhere, [expected_id(item, KEYS[table]) for item in items])
        for id_, fields in disagreements(items, KEYS[table], found):
            yield Disagreement("different" if fields else "missing", table, everywhere, id_, fields)

    def _read_by_sdk(self, table: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        wanted: Any = {table: {"Keys": self._samples[table], "ConsistentRead": True}}
        while wanted:
            answer = self.clients.dynamodb.batch_get_item(RequestItems=wanted)
            items.extend(answer["Responses"][table])
            wanted = answer.get("UnprocessedKeys")
        return items
