"""Histories: what may happen to tables, deliveries and functions, as data that any cut leaves valid.

Invariant: a step means something in every state of the world (numbers count modulo what is there), so that shrinking
may drop any step and still has a history.
"""

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from model.tables import KEYS

FAULTS = (
    "crash before",
    "crash after",
    "outage before",
    "outage after",
    "throttled",
    "refused",
    "out of time",
)
WAITS_US = (0, 1, 400, 1_000, 300_000, 1_000_000, 61_000_000, 5 * 3_600_000_000)
WEIGHTS = {
    "put": 26,
    "remove": 9,
    "wait": 10,
    "deliver": 24,
    "rewind": 5,
    "replay": 6,
    "scan": 6,
    "write scan": 5,
    "letters": 2,
    "precision": 1,
    "sweep": 2,
}
MOMENTS = {
    "deliver",
    "replay",
    "write scan",
    "letters",
    "sweep",
}  # the steps that are invocations, hence may fail half-way
MAX_STEPS = 40


class Step(NamedTuple):
    """One step. `fault` strikes at the `at`-th call to the engine, the table or the dead-letter store; `meanwhile`
    happens just before that call: that is how two function instances, or a writer and a function, interleave."""

    kind: str
    table: int = 0
    key: int = 0
    amount: int = 0
    fault: str = ""
    at: int = 0
    meanwhile: tuple["Step", ...] = ()

    def __repr__(self) -> str:
        told = [repr(self.kind)]
        told += [f"{name}={value!r}" for name, value in self._asdict().items() if value and name != "kind"]
        return f"Step({', '.join(told)})"


History = tuple[Step, ...]
_KINDS = tuple(WEIGHTS)
_CUMULATIVE = [sum(list(WEIGHTS.values())[: place + 1]) for place in range(len(WEIGHTS))]


def random_history(random: Random, tables: int) -> History:
    """A history over one or two of `tables` tables and few keys of each."""
    chosen = random.sample(range(tables), random.choice((1, 1, 2)))
    return tuple(_random_step(random, chosen, depth=0) for _ in range(random.randint(4, MAX_STEPS)))


def _random_step(random: Random, tables: list[int], depth: int) -> Step:
    [kind] = random.choices(_KINDS, cum_weights=_CUMULATIVE)
    step = Step(kind, random.choice(tables), random.randrange(KEYS), random.randrange(24))
    if kind not in MOMENTS:
        return step
    fault = random.choice(FAULTS) if random.random() < 0.35 else ""
    meanwhile: tuple[Step, ...] = ()
    if depth < 2 and random.random() < 0.5:
        meanwhile = _random_interlude(random, step, tables, depth + 1)
    return step._replace(fault=fault, at=random.choice((0, 0, 1, 1, 2, 3, 3, 4)), meanwhile=meanwhile)


def _random_interlude(random: Random, step: Step, tables: list[int], depth: int) -> History:
    """Anything, or what is likely to meet the step itself: the same item changes, and another instance delivers it."""
    if random.random() < 0.4:
        return tuple(_random_step(random, tables, depth) for _ in range(random.randint(1, 5)))
    change = Step(random.choice(("put", "put", "remove")), step.table, step.key, random.randrange(24))
    delivery = Step("deliver", step.table, step.key, 4 + 5 * random.randrange(4))
    return (change, delivery, *([delivery] if random.random() < 0.3 else []))


def size(history: Iterable[Step]) -> int:
    """Steps, those inside others counted."""
    return sum(1 + size(step.meanwhile) for step in history)


def shrink(history: History, fails: object) -> History:
    """A history that still fails and of which no step can be taken away: for seeds, where hypothesis has no hand."""
    assert callable(fails)
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for smaller in _cuts(history):
            if fails(smaller):
                history, is_smaller = smaller, True
                break
    return history


def _cuts(history: History) -> Iterable[History]:
    for width in (8, 4, 2, 1):
        for start in range(0, len(history), width):
            yield history[:start] + history[start + width :]
    for place, step in enumerate(history):
        for simpler in _simpler(step):
            yield (*history[:place], simpler, *history[place + 1 :])


def _simpler(step: Step) -> Iterable[Step]:
    for meanwhile in _cuts(step.meanwhile):
        yield step._replace(meanwhile=meanwhile)
    for name, value in (
        ("fault", ""),
        ("at", 0),
        ("key", 0),
        ("table", 0),
        ("amount", 0),
        ("amount", step.amount // 2),
    ):
        if getattr(step, name) != value:
            yield step._replace(**{name: value})
