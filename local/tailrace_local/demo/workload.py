"""What the demo writes: the load, then some thousands of updates and deletes, as requests in lanes.

Lanes run side by side, each in its own order; no key is written by two lanes, so what the tables hold at the end is
known beforehand (`items_after`).

Invariant: a workload is a pure function of the items and the seed; no batch names a key twice (DynamoDB refuses that).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import TypeVar

from tailrace_local.demo.data import KEYS, Item, key_of
from tailrace_local.demo.edge_values import describe_airline

BATCH_WRITES = 25  # DynamoDB quota: 25 puts and deletes in one BatchWriteItem
BURST_UPDATES = 300
PROBE_TABLE = "flights"
MOST_PROBES = 150  # flights written one at a time, and looked for
RETIMED_EVERY, CANCELLED_EVERY, REINSTATED_EVERY = 8, 20, 60
CORRECTED_EVERY, WITHDRAWN_EVERY, RETYPED_EVERY = 8, 20, 40
NEW_TYPES = ("Rotorcraft", "Museum piece", "FIXED WING SINGLE ENGINE")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch:
    """One BatchWriteItem on one table: items to put, keys to delete; not `is_news` when all of it changes nothing."""

    table: str
    puts: tuple[Item, ...] = ()
    deletes: tuple[Item, ...] = ()
    is_news: bool = True

    @property
    def writes(self) -> int:
        """How many writes it holds."""
        return len(self.puts) + len(self.deletes)

    @property
    def changes(self) -> int:
        """How many change records it causes: a write that changes nothing makes none (DynamoDB Streams)."""
        return self.writes if self.is_news else 0


@dataclass(frozen=True, slots=True)
class Update:
    """One UpdateItem: attributes to set, names of attributes to remove."""

    table: str
    key: Item
    sets: Item
    removes: tuple[str, ...] = ()
    writes: int = 1
    changes: int = 1


Step = Batch | Update


@dataclass(frozen=True, slots=True)
class Workload:
    """Lanes of steps to be run side by side, and items that the freshness probe writes one at a time."""

    lanes: tuple[tuple[Step, ...], ...]
    probes: tuple[Item, ...]

    @property
    def writes(self) -> int:
        """All writes, the probes' included."""
        return sum(self.writes_by_table().values())

    @property
    def changes(self) -> int:
        """All change records that the writes cause."""
        return sum(step.changes for lane in self.lanes for step in lane) + len(self.probes)

    def writes_by_table(self) -> dict[str, int]:
        """All writes, by table."""
        writes = dict.fromkeys(KEYS, 0) | {PROBE_TABLE: len(self.probes)}
        for step in (step for lane in self.lanes for step in lane):
            writes[step.table] += step.writes
        return writes

    def items_after(self) -> dict[str, int]:
        """How many items each table holds once everything is written."""
        keys: dict[str, set[str]] = {PROBE_TABLE: {_text(key_of(PROBE_TABLE, item)) for item in self.probes}}
        for step in (step for lane in self.lanes for step in lane):
            held = keys.setdefault(step.table, set())
            if isinstance(step, Update):
                held.add(_text(step.key))
            else:
                held.update(_text(key_of(step.table, item)) for item in step.puts)
                held.difference_update(map(_text, step.deletes))
        return {table: len(held) for table, held in keys.items()}


def build_workload(items: Mapping[str, Sequence[Item]], seed: int) -> Workload:
    """The demo's writes over these items. The small tables' changes run while the flights are still being loaded."""
    random = Random(seed)  # noqa: S311  # a choice that repeats, not a secret
    mixed = random.sample(items["flights"], len(items["flights"]))
    count = min(MOST_PROBES, len(mixed) // 10)
    probes, flights = tuple(mixed[:count]), mixed[count:]
    small: list[Step] = []
    for table in ("airlines", "airports", "planes", "weather"):
        small += load(table, items[table])
    small += [*enrich_airlines(items["airlines"]), *burst(items["airlines"][0])]
    small += [*retype_planes(items["planes"], random), *correct_weather(items["weather"], random)]
    return Workload(((*load("flights", flights), *change_flights(flights, random)), tuple(small)), probes)


def load(table: str, items: Iterable[Item]) -> Iterator[Batch]:
    """Puts of all items."""
    return (Batch(table, puts=chunk) for chunk in chunked(items, BATCH_WRITES))


def change_flights(flights: Sequence[Item], random: Random) -> list[Step]:
    """Retimed, cancelled (deleted) and reinstated (deleted, then put again at once) flights, in mixed order."""
    mixed = random.sample(flights, len(flights))
    retimed, cancelled, reinstated = _deal(mixed, RETIMED_EVERY, CANCELLED_EVERY, REINSTATED_EVERY)
    groups: list[list[Step]] = [[batch] for batch in load("flights", map(_retime, retimed))]
    groups += [[Batch("flights", deletes=chunk)] for chunk in chunked(map(_flight_key, cancelled), BATCH_WRITES)]
    groups += [_reinstate(chunk) for chunk in chunked(reinstated, BATCH_WRITES)]
    random.shuffle(groups)
    return [step for group in groups for step in group]


def enrich_airlines(airlines: Sequence[Item]) -> Iterator[Update]:
    """Every type and edge of values; then some attributes removed again, so that null and missing both occur."""
    for number, airline in enumerate(airlines):
        news = describe_airline(number, airline["carrier"]["S"])
        yield Update("airlines", key_of("airlines", airline), news)
        if number % 3 == 1:
            yield Update("airlines", key_of("airlines", airline), {}, removes=("alliance", "logo"))


def burst(airline: Item) -> Iterator[Update]:
    """Updates of one key: those of one batch are coalesced, those of one second tie on their version."""
    key = key_of("airlines", airline)
    return (Update("airlines", key, {"bookings": {"N": str(number)}}) for number in range(1, BURST_UPDATES + 1))


def retype_planes(planes: Sequence[Item], random: Random) -> list[Step]:
    """Planes that change their type, hence their index; the first goes and comes back, the second loses its type."""
    chosen = random.sample(planes, max(2, len(planes) // RETYPED_EVERY))
    steps: list[Step] = []
    for number, plane in enumerate(chosen):
        key = key_of("planes", plane)
        steps.append(Update("planes", key, {"type": _another_type(plane, number)}))
        if number == 0:
            steps.append(Update("planes", key, {"type": plane["type"]}))
        elif number == 1:
            steps.append(Update("planes", key, {}, removes=("type",)))
    return steps


def correct_weather(weather: Sequence[Item], random: Random) -> list[Step]:
    """Corrected, withdrawn and unchanged (written again as they are) observations."""
    corrected, withdrawn, unchanged = _deal(random.sample(weather, len(weather)), CORRECTED_EVERY, WITHDRAWN_EVERY, 50)
    keys = [key_of("weather", item) for item in withdrawn]
    steps: list[Step] = list(load("weather", map(_correct, corrected)))
    steps += [Batch("weather", puts=chunk, is_news=False) for chunk in chunked(unchanged, BATCH_WRITES)]
    return steps + [Batch("weather", deletes=chunk) for chunk in chunked(keys, BATCH_WRITES)]


def chunked(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Tuples of `size` items, the last one shorter."""
    rest = iter(items)
    while chunk := tuple(islice(rest, size)):
        yield chunk


def _deal(items: Sequence[T], *every: int) -> Iterator[Sequence[T]]:
    """Disjoint runs of the items: one in `every` of them, for each of the numbers."""
    start = 0
    for number in every:
        stop = start + len(items) // number
        yield items[start:stop]
        start = stop


def _another_type(plane: Item, number: int) -> dict[str, str]:
    choices = [type_ for type_ in NEW_TYPES if type_ != plane["type"]["S"]]
    return {"S": choices[number % len(choices)]}


def _reinstate(flights: tuple[Item, ...]) -> list[Step]:
    back = tuple(flight | {"reinstated": {"BOOL": True}} for flight in flights)
    return [Batch("flights", deletes=tuple(map(_flight_key, flights))), Batch("flights", puts=back)]


def _retime(flight: Item) -> Item:
    delay = int(flight.get("dep_delay", {"N": "0"})["N"]) + 10
    return flight | {"dep_delay": {"N": str(delay)}, "remarks": {"S": "" if delay % 2 else "retimed by the demo"}}


def _correct(observation: Item) -> Item:
    without_gust = {name: value for name, value in observation.items() if name != "wind_gust"}
    return without_gust | {"corrected_by": {"NULL": True}}


def _flight_key(flight: Item) -> Item:
    return key_of("flights", flight)


def _text(key: Item) -> str:
    return "|".join(value["S"] for value in key.values())
