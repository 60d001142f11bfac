"""Schedules: what changes, how it is delivered and what goes wrong meanwhile; small, and known by its seed.

Invariant: a schedule is a pure function of its seed, the same on every machine; nothing else decides what is tried.
"""

from random import Random
from typing import NamedTuple

from model.tables import TABLES

MOST_CHANGES, MOST_FAULTS = 40, 6
PROXY_FAULTS = (
    "429", "429 with Retry-After", "429 on items", "502", "503", "504", "504 after", "reset before", "reset after",
    "half answer", "short length", "slow answer", "late request", "413", "401", "403", "403 on items",
    "block on items", "write block", "full disk block", "missing item", "no JSON", "no object",
)  # fmt: skip
PORT_FAULTS = ("killed before", "killed after", "letters down", "letters stored unheard", "table down")
BUDGET_FAULTS = ("out of time",)
RARE_FAULTS = {"engine killed": (100, 17), "process killed": (50, 33)}  # each costs seconds: one seed in so many
RARE_SPANS = {"engine killed": 1, "process killed": 3}
FAULTS = (*PROXY_FAULTS, *PORT_FAULTS, *BUDGET_FAULTS)
STORMS = {"429", "429 with Retry-After", "502", "503", "504", "429 on items", "block on items"}
SELDOM_CALLED = {"letters down", "letters stored unheard", "table down"}
WAITS_US = (0, 0, 1, 400, 300_000, 1_000_000, 61_000_000)
HURRY_SECONDS, PATIENCE_SECONDS = 0.12, 30.0
FIELDS = {"born": {"type": "date"}}  # what every table declares, so that there is something to refuse


class Fault(NamedTuple):
    """One fault: of the exchanges, calls or invocations that its kind is about, `span` ones from number `at` on."""

    kind: str
    at: int
    span: int = 1
    amount: int = 0


class Writing(NamedTuple):
    """One change of an item: a write or a removal, `wait_us` after the one before it."""

    key: int
    amount: int
    is_removal: bool = False
    is_poison: bool = False
    wait_us: int = 0
    padding: int = 0


class Schedule(NamedTuple):
    """One schedule. `waves` are the changes as they become visible: one wave is delivered before the next one comes.

    `batch_sizes` has one entry per function that reads the stream; `budgets` (seconds) go round over the invocations.
    """

    seed: int
    table: int
    on_type_conflict: str
    waves: tuple[tuple[Writing, ...], ...]
    faults: tuple[Fault, ...]
    batch_sizes: tuple[int, ...]
    max_retries: int
    budgets: tuple[float, ...]
    max_bulk_bytes: int

    @property
    def changes(self) -> int:
        """How many changes there are."""
        return sum(map(len, self.waves))


def schedule_of(seed: int) -> Schedule:
    """The schedule of a seed. Seeds in a row go through all kinds of faults; what else strikes is chance."""
    random = Random(f"chaos {seed}")
    faults = _random_faults(random, seed)
    kinds = {fault.kind for fault in faults}
    is_single = bool(kinds & RARE_FAULTS.keys()) or random.random() < 0.7
    needs_letters = bool(kinds & {"letters down", "letters stored unheard"})
    return Schedule(
        seed,
        random.choice(_tables_for(kinds)),
        random.choice(("dead_letter", "dead_letter" if needs_letters else "quarantine")),
        _random_waves(random, has_poison=needs_letters or random.random() < 0.5),
        faults,
        tuple(random.choice((1, 2, 3, 5, 8, 13)) for _ in range(1 if is_single else 2)),
        random.choice((0, 1, 1, 2, 4, 8)),
        _random_budgets(random, kinds),
        random.choice((900, 3_000, 5 * 1024 * 1024)),
    )


def _tables_for(kinds: set[str]) -> list[int]:
    """Hard deletes rest on what a running engine remembers: none where it is killed. Only what comes by Kinesis, or is
    deleted hard, is ever looked up in the table."""
    is_killed, is_looked_up = bool(kinds & RARE_FAULTS.keys()), "table down" in kinds
    return [
        place
        for place, table in enumerate(TABLES)
        if not (is_killed and table.deletes == "hard")
        and (not is_looked_up or table.deletes == "hard" or "kinesis" in table.sources)
    ]


def _random_faults(random: Random, seed: int) -> tuple[Fault, ...]:
    kinds = [FAULTS[seed % len(FAULTS)], *random.choices(FAULTS, k=random.randint(0, MOST_FAULTS - 2))]
    rare = [kind for kind, (of, place) in RARE_FAULTS.items() if seed % of == place]
    return tuple(_random_fault(random, kind) for kind in (*rare, *kinds))


def _random_fault(random: Random, kind: str) -> Fault:
    at = random.choice((0, 0, 1) if kind in SELDOM_CALLED else (0, 0, 1, 1, 2, 3, 4, 6, 9))
    span = random.choice((1, 2, 4, 8) if kind in STORMS | SELDOM_CALLED else (1, 1, 2))
    if kind in RARE_FAULTS:
        span = RARE_SPANS[kind]
    if kind.endswith("block"):
        at += 1  # there has to be an index
    return Fault(kind, at, span, random.randint(500, 2_500) if kind == "413" else random.randrange(1_000))


def _random_waves(random: Random, has_poison: bool) -> tuple[tuple[Writing, ...], ...]:
    changes = [_random_change(random, has_poison) for _ in range(random.randint(5, MOST_CHANGES))]
    cuts = sorted(random.sample(range(1, len(changes)), random.randint(0, min(3, len(changes) - 1))))
    return tuple(tuple(changes[a:b]) for a, b in zip((0, *cuts), (*cuts, len(changes)), strict=True))


def _random_change(random: Random, has_poison: bool) -> Writing:
    return Writing(
        random.randrange(6),
        random.randrange(24),
        random.random() < 0.25,
        has_poison and random.random() < 0.15,
        random.choice(WAITS_US),
        random.choice((0, 0, 0, 200, 900)),
    )


def _random_budgets(random: Random, kinds: set[str]) -> tuple[float, ...]:
    """A slow answer is one over the budget: such schedules are in a hurry most of the time."""
    hurried = 0.8 if kinds & {"slow answer", "late request"} else 0.1
    return tuple(HURRY_SECONDS if random.random() < hurried else PATIENCE_SECONDS for _ in range(5))
