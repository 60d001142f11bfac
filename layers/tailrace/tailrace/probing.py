"""Probing: asking the engine which fields of a document it would refuse, without writing anything.

A probe is a document cut down to some of its fields, under an `if_primary_term` that no index ever reaches. The engine
reads a document before it looks at its conditions (measured on 2.19.4 and 3.7.0): 400 says that it cannot index these
fields, 409 that it could. Invariant: no probe changes a document, and no reason text is read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from tailrace.attributes import canonical_json
from tailrace.budgets import TimeBudget
from tailrace.bulk import cut, halve
from tailrace.failures import Disposition, EngineError, classify_item, classify_request
from tailrace.ports import ItemResult, SearchEngine

_NEVER = b',"if_seq_no":0,"if_primary_term":%d}}\n' % 2**62
UNKNOWN = ItemResult(503)


class Probe(NamedTuple):
    """One document cut down to `fields`."""

    alias: str
    id: str
    fields: Mapping[str, Any]

    def render(self) -> bytes:
        """The action line and the cut-down document."""
        head = b'{"index":{"_index":%b,"_id":%b' % (orjson.dumps(self.alias), orjson.dumps(self.id))
        return head + _NEVER + canonical_json(self.fields) + b"\n"


@dataclass(frozen=True, slots=True)
class Prober:
    """Sends probes within `budget`; sizes are bytes and actions per request."""

    engine: SearchEngine
    budget: TimeBudget
    max_bytes: int
    max_actions: int
    counts: Counter[str]

    def ask(self, probes: Sequence[Probe]) -> list[ItemResult]:
        """One answer for each probe; `UNKNOWN` where the engine gave none, or the time is up."""
        rendered = ((probe, probe.render()) for probe in probes)
        bodies = cut(rendered, self.max_bytes, self.max_actions)
        return [answer for body in bodies for answer in self._send(body.actions, body.content)]

    def _send(self, probes: Sequence[Probe], content: bytes) -> Iterator[ItemResult]:
        if self.budget.is_over():
            yield from [UNKNOWN] * len(probes)
            return
        self.counts["probes"] += len(probes)
        try:
            yield from self.engine.bulk(content, len(probes), timeout=self.budget.timeout())
        except EngineError as error:
            is_too_large = classify_request(error.status, error.error_type).disposition is Disposition.BISECT
            if is_too_large and len(probes) > 1:
                for half in halve(probes):
                    yield from self.ask(half)
            else:
                yield from [UNKNOWN] * len(probes)


def is_refused(answer: ItemResult) -> bool:
    """Whether the engine could not index the probe's fields."""
    return classify_item(answer.status, answer.error_type).disposition is Disposition.QUARANTINE


def is_unknown(answer: ItemResult) -> bool:
    """Whether the engine said nothing about the probe's fields."""
    return not is_refused(answer) and answer.status != 409
