"""Sweeping: tombstones past their horizon are physically removed, so that an index does not grow with every delete.

A tombstone is what makes an older write of its item lose. Once it is swept, nothing does: an older write that arrives
then brings the item back, until `verify` finds it. `tombstone_days` of a table therefore has to exceed whatever may
still bring an older write: the retention of its stream (24 hours; of a Kinesis stream up to 365 days), the age of the
dead letters and parked batches that are still replayed, and the time that a reindex takes.
Invariant: what is removed is the very tombstone that was found, of this table, in a concrete index: the engine refuses
to remove a document that was written since.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from tailrace.actions import iso_instant
from tailrace.errors import TailraceError
from tailrace.failures import EngineError
from tailrace.ports import Clock, ItemResult
from tailrace.records import NANOSECONDS
from tailrace.sides import is_alias_of
from tailrace.tables import Tables, TableSpec, UnknownTableError

PAGE_SIZE = 1_000
SECONDS_PER_DAY = 86_400


class Generation(NamedTuple):
    """A concrete index that Tailrace made; `table` is None where several tables may share it."""

    name: str
    table: str | None


class Tombstone(NamedTuple):
    """Where a tombstone stands, and the write that put it there."""

    id: str
    seq_no: int
    primary_term: int


class TombstoneStore(Protocol):
    """OpenSearch, as far as the sweeper needs it."""

    def list_generations(self, prefix: str) -> Sequence[Generation]:
        """The indices of Tailrace whose names begin with the prefix. Raises EngineError.

        A generation under construction (`<alias>@next`) is left out: while it is loaded, its tombstones keep away what
        was read before it was removed (failure 2).
        """

    def find_tombstones(self, index: str, table: str, before: str, count: int) -> Sequence[Tombstone]:
        """Up to `count` tombstones of the table that are older than the ISO instant, oldest first.

        Raises EngineError, also where only a part of the index answered.
        """

    def remove_tombstones(self, index: str, tombstones: Sequence[Tombstone]) -> Sequence[ItemResult]:
        """Remove each one that was not written since: 200, else 409 (or 404 where it is gone). Raises EngineError.

        What was removed is not found again.
        """


@dataclass(frozen=True, slots=True)
class Swept:
    """One table in one index: tombstones `removed`, `kept` since they were written again, and `failed`.

    `is_finished` says that none was left; `reason` is the engine's where it failed.
    """

    index: str
    table: str
    removed: int = 0
    kept: int = 0
    failed: int = 0
    is_finished: bool = False
    reason: str = ""


class SweepError(TailraceError):
    """Some indices could not be swept; the next sweep tries again."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What became of one sweep."""

    swept: tuple[Swept, ...]

    def as_dict(self) -> dict[str, int | bool]:
        """`{"indices": n, "removed": n, "kept": n, "failed": n, "is_finished": …}`."""
        return {
            "indices": len(self.swept),
            "removed": sum(each.removed for each in self.swept),
            "kept": sum(each.kept for each in self.swept),
            "failed": sum(each.failed for each in self.swept),
            "is_finished": all(each.is_finished for each in self.swept),
        }

    def raise_for_failures(self) -> None:
        """Raises SweepError naming the indices where the engine failed; running out of time is no failure."""
        failures = [f"{each.index} ({each.reason})" for each in self.swept if each.reason]
        if failures:
            raise SweepError(f"could not be swept: {', '.join(failures)}")


@dataclass(frozen=True, slots=True)
class Sweeper:
    """The sweeper's parts. It keeps nothing between sweeps."""

    tables: Tables
    store: TombstoneStore
    clock: Clock
    page_size: int = PAGE_SIZE

    def sweep(self, deadline: float) -> SweepReport:
        """Remove every tombstone past its table's horizon. `deadline` is seconds since the epoch: no page after it.

        What the time does not suffice for is left to the next sweep. Raises EngineError when the indices cannot be
        listed.
        """
        now = self.clock.now()
        generations = self.store.list_generations(self.tables.defaults.index_prefix)
        return SweepReport(
            tuple(
                self._sweep_index(Swept(index, spec.name), _horizon(spec, now), deadline)
                for index, spec in _find_work(self.tables, generations)
            )
        )

    def _sweep_index(self, swept: Swept, before: str, deadline: float) -> Swept:
        try:
            while not swept.is_finished and self.clock.now() < deadline:
                found = self.store.find_tombstones(swept.index, swept.table, before, self.page_size)
                results = self.store.remove_tombstones(swept.index, found) if found else []
                page = _count(swept, results, is_last=len(found) < self.page_size)
                has_progress, swept = page.removed > swept.removed, page
                if not has_progress:  # what could not be removed would be found again
                    break
        except EngineError as error:
            return replace(swept, reason=f"http_{error.status}")
        return swept


def _horizon(spec: TableSpec, now: float) -> str:
    return iso_instant(int(now - spec.tombstone_days * SECONDS_PER_DAY) * NANOSECONDS)


def _count(swept: Swept, results: Sequence[ItemResult], *, is_last: bool) -> Swept:
    """404 is a tombstone that another sweep removed in between, 409 one that was written again."""
    statuses = [result.status for result in results]
    gone, kept = statuses.count(200), statuses.count(409) + statuses.count(404)
    failures = [result for result in results if result.status not in (200, 404, 409)]
    return replace(
        swept,
        removed=swept.removed + gone,
        kept=swept.kept + kept,
        failed=swept.failed + len(failures),
        is_finished=is_last and not failures,
        reason=f"http_{failures[0].status}" if failures else swept.reason,
    )


def _find_work(tables: Tables, generations: Iterable[Generation]) -> Iterator[tuple[str, TableSpec]]:
    """Each index with each table that may have tombstones there; an index that is not of the specs is left alone."""
    for name, table in generations:
        for spec in _specs_of(tables, table):
            if is_alias_of(spec, name.rpartition("@")[0]):
                yield name, spec


def _specs_of(tables: Tables, table: str | None) -> list[TableSpec]:
    if table is None:
        return [spec for spec in tables.specs.values() if "{table}" not in spec.index]
    try:
        return [tables.spec(table)]
    except UnknownTableError:
        return []
