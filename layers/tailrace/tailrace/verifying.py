"""Verification: a table and its indices, walked once in each direction in flat memory, and what differs.

Invariant: every item is compared with its document, and every live document is either one that an item called for or
is looked at. The table's walk asks the index by id, page by page. The index's walk asks the table only about documents
in buckets that the balance of addresses shows to be odd, so a clean index costs no read by key at all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tailrace.balances import Balance
from tailrace.certificates import Certificate
from tailrace.differences import Kind, allowed_kinds
from tailrace.errors import UserError
from tailrace.examining import Examiner, Sighting, StrayDocument, addresses_of, state_of
from tailrace.expectations import Expectation, Expectations
from tailrace.findings import Findings
from tailrace.ports import Clock, SearchEngine
from tailrace.records import Image
from tailrace.repairing import Repairer
from tailrace.sides import Address, IndexSide, Standing, TableSide, alias_pattern
from tailrace.suspects import LOOKED_AT_ONCE, Suspects
from tailrace.tables import Tables

DEFAULT_LAG_SECONDS = 5.0
MOST_SUSPECTS = 10_000  # at about a kilobyte each


class Progress(NamedTuple):
    """How far a verification is. `phase` is `table`, `index` or `suspects`; `total` is a guess."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What to do beyond comparing digests.

    `lag_seconds` is how long a difference must last to count; `is_deep` compares contents, not just the digests that
    documents carry; `repair_with` is the engine that repairs are written to; with more than `most_suspects` waiting
    the walk waits, too, so that memory stays flat however much differs.
    """

    lag_seconds: float = DEFAULT_LAG_SECONDS
    is_deep: bool = False
    repair_with: SearchEngine | None = None
    most_suspects: int = MOST_SUSPECTS


def ignore_progress(_progress: Progress) -> None:
    """For those whom nobody watches."""


def verify_table(
    tables: Tables,
    table: TableSide,
    index: IndexSide,
    clock: Clock,
    options: VerifyOptions | None = None,
    progress: Callable[[Progress], None] = ignore_progress,
) -> Certificate:
    """Compare a table with its indices in both directions.

    Raises UserError when there is no such table or it has no index, UnknownTableError when the specs refuse it,
    EngineError or ItemReadError when a side stops answering.
    """
    return _Verification(tables, table, index, clock, options or VerifyOptions(), progress).run()


class _Verification:
    def __init__(
        self,
        tables: Tables,
        table: TableSide,
        index: IndexSide,
        clock: Clock,
        options: VerifyOptions,
        progress: Callable[[Progress], None],
    ) -> None:
        self._table, self._index, self._clock = table, index, clock
        self._options, self._progress = options, progress
        self._started_at = clock.now()
        self._shape = table.shape()
        self._expectations = Expectations(tables, self._shape)
        self._examiner = Examiner(table, index, self._expectations, is_deep=options.is_deep)
        self._suspects = Suspects(options.lag_seconds)
        self._findings = Findings(allowed_kinds(self._expectations.spec.filter), self._examiner)
        self._balance = Balance()
        self._counts: Counter[str] = Counter()
        self._repairer: Repairer | None = None
        if options.repair_with is not None:
            self._repairer = Repairer(tables, self._shape.name, table, options.repair_with, clock)

    def run(self) -> Certificate:
        spec = self._expectations.spec
        if not self._examiner.places:
            raise UserError(
                f"OpenSearch has no index of table {spec.name} (no alias {alias_pattern(spec)}): "
                "create it with `tailrace tables apply`"
            )
        self._walk_table()
        self._walk_index()
        self._settle(most=0)
        return self._certify()

    def _walk_table(self) -> None:
        for page in self._table.pages():
            self._check_page(page)
            self._progress(Progress("table", self._counts["items"], self._shape.item_count))
            self._settle(self._options.most_suspects)

    def _check_page(self, items: Sequence[Image]) -> None:
        expected = [self._expectations.of(item) for item in items]
        standings = self._examiner.read(addresses_of(expected))
        self._counts["items"] += len(items)
        for item, one in zip(items, expected, strict=True):
            if isinstance(one, Expectation):
                self._check(item, one, standings)
            elif one is None:
                self._counts["filtered"] += 1
            else:
                self._suspects.add(self._expectations.keys_of(item), (Kind.REFUSED,), self._clock.now())

    def _check(self, item: Image, expected: Expectation, standings: Mapping[Address, Standing]) -> None:
        home = standings.get(expected.address) if expected.address else None
        if home is not None and expected.address is not None and not home.is_deleted:
            self._balance.add(expected.address)
        if self._examiner.judge_home(expected, home) is None:
            self._findings.take_in_both(expected)
        else:
            self._suspects.add(self._expectations.keys_of(item), state_of(expected, home), self._clock.now())

    def _walk_index(self) -> None:
        spec = self._expectations.spec
        generations = [place.generation for place in self._examiner.places]
        with self._index.open_snapshot(generations, None if "{table}" in spec.index else spec.name) as snapshot:
            self._counts["tombstones"] = snapshot.count_tombstones()
            for page in snapshot.pages():
                for address in page:
                    self._balance.remove(address)
                self._counts["documents"] += len(page)
                self._progress(Progress("index", self._counts["documents"], self._counts["items"]))
            if not self._balance.is_even():
                self._look_for_strays(snapshot.pages())

    def _look_for_strays(self, pages: Iterable[Sequence[Address]]) -> None:
        for page in pages:
            odd = [StrayDocument(address) for address in page if not self._balance.is_even_around(address)]
            for start in range(0, len(odd), LOOKED_AT_ONCE):
                for seen in self._examiner.look(odd[start : start + LOOKED_AT_ONCE]):
                    if seen.kind is not None:
                        self._suspects.add(seen.subject, seen.state, self._clock.now())
                self._settle(self._options.most_suspects)

    def _settle(self, most: int) -> None:
        """Look again at the suspects that are due; wait for them only while there are more than `most`."""
        while (due_at := self._suspects.next_due()) is not None:
            now = self._clock.now()
            if due_at > now:
                if len(self._suspects) <= most:
                    return
                self._progress(Progress("suspects", self._findings.concluded, len(self._suspects)))
                self._clock.sleep(due_at - now)
                continue
            suspects = self._suspects.take_due(now)
            sightings = self._examiner.look([suspect.subject for suspect in suspects])
            self._conclude(list(self._suspects.conclude(suspects, sightings, self._clock.now())))

    def _conclude(self, sightings: Sequence[Sighting]) -> None:
        differing = [seen for seen in sightings if self._findings.conclude(seen)]
        if self._repairer is None or not differing:
            return
        reasons = self._repairer.repair(differing, self._examiner.places)
        for number, after in enumerate(self._examiner.look([seen.subject for seen in differing])):
            if after.kind is None:
                self._counts["repaired"] += 1
            else:
                why = reasons.get(number, "it came back, or it cannot be written")
                self._findings.unrepaired.add(after.as_difference(why))

    def _certify(self) -> Certificate:
        counts, findings = self._counts, self._findings
        return Certificate(
            table=self._shape.name,
            places=tuple(self._examiner.places),
            items=counts["items"],
            filtered=counts["filtered"],
            documents=counts["documents"],
            tombstones=counts["tombstones"],
            differences=findings.differences,
            allowed=findings.allowed,
            in_flight=findings.in_flight,
            repaired=counts["repaired"],
            unrepaired=findings.unrepaired,
            table_digest=str(findings.table_digest),
            index_digest=str(findings.index_digest),
            is_deep=self._options.is_deep,
            lag_seconds=self._options.lag_seconds,
            started_at=self._started_at,
            ended_at=self._clock.now(),
        )
