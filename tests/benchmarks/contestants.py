"""Tailrace beside what others build the same function from: one engine, one mapping, the same records, in turns.

Invariant: a figure counts only where the index holds every document afterwards; ratios are taken within a round.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

import orjson

from benchmarks.indices import fresh_index
from benchmarks.invoking import NOWHERE, Load, measure_function
from benchmarks.line_up import OURS, Contestant, Scale, idle_function, line_up, tailrace_function
from benchmarks.samples import BATCH, event
from benchmarks.speeds import Speed, middle

FULL = Scale()


@dataclass(frozen=True, slots=True)
class Standing:
    """Medians over the rounds. `share` is of its ceiling's documents/s and `cpu_ratio` to Tailrace's CPU, each the
    median of the ratios of a round; None for a ceiling.
    """

    name: str
    connections: int
    speed: Speed
    share: float | None
    cpu_ratio: float | None


def measure(url: str, scale: Scale = FULL, connections: tuple[int, ...] = (1, 2)) -> tuple[list[Standing], str]:
    """The standings for each number of connections, and a sentence about who is missing (empty: nobody).

    With more than one connection only those that can be told apart by it take part.
    """
    with tailrace_function() as ours:
        contestants, missing = line_up(scale, ours)
        standings = [standing for n in connections for standing in _compare(url, contestants, n, scale.rounds)]
    return standings, missing


def measure_floor(scale: Scale = FULL) -> float:
    """CPU ms per 1,000 records of the runtime client alone, reading the events' JSON included."""
    launch = idle_function()
    events = [orjson.dumps(event(number * BATCH)) for number in range(scale.all_batches)]
    load = Load(events, scale.warm_up, scale.batches * BATCH)
    return median(measure_function(launch, NOWHERE, [load]).cpu_ms_per_1000 for _ in range(scale.rounds))


def _compare(url: str, contestants: list[Contestant], connections: int, rounds: int) -> Iterator[Standing]:
    chosen = [each for each in contestants if connections <= each.most_connections]
    _turn(url, chosen[0], connections)  # the engine's own warm-up
    results = [{each.name: _turn(url, each, connections) for each in chosen} for _ in range(rounds)]
    return (_standing(each, connections, results) for each in chosen)


def _turn(url: str, contestant: Contestant, connections: int) -> Speed:
    with fresh_index(url, connections * contestant.documents):
        return contestant.run(url, connections)


def _standing(contestant: Contestant, connections: int, results: list[Mapping[str, Speed]]) -> Standing:
    own = middle([result[contestant.name] for result in results])
    if not contestant.ceiling:
        return Standing(contestant.name, connections, own, None, None)
    pairs = [(result[contestant.name], result[contestant.ceiling], result[OURS]) for result in results]
    share = median(mine.documents_per_second / ceiling.documents_per_second for mine, ceiling, _ in pairs)
    cpu_ratio = median(mine.cpu_ms_per_1000 / ours.cpu_ms_per_1000 for mine, _, ours in pairs)
    return Standing(contestant.name, connections, own, share, cpu_ratio)
