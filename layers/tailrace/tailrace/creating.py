"""Creating: the index of an alias comes into being when a write first misses it.

Invariant: each alias is asked for once per round at most, a failure is not remembered, and an index is made together
with its alias, so that no reader ever meets one without the other.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailrace.actions import Action
from tailrace.budgets import TimeBudget
from tailrace.failures import EngineError
from tailrace.ports import SearchEngine


@dataclass(slots=True)
class IndexCreator:
    """Creates the indices of one delivery. `ensured` are the aliases that are there; `index_request` gives the creation
    request of an alias, by one of its actions.
    """

    engine: SearchEngine
    budget: TimeBudget
    index_request: Callable[[str, Action], Mapping[str, Any]]
    counts: Counter[str]
    ensured: set[str] = field(default_factory=set)

    def create_all(self, missing: Iterable[Action]) -> dict[str, EngineError | None]:
        """By alias of the given actions, why it is not there now; None where it is."""
        return {alias: self._create(action) for alias, action in {a.alias: a for a in missing}.items()}

    def _create(self, action: Action) -> EngineError | None:
        if self.budget.is_over():
            return EngineError(503, "no time is left to create the index")
        request = self.index_request(action.alias, action)
        try:
            created = self.engine.ensure_index(action.alias, request, timeout=self.budget.timeout())
        except EngineError as error:
            return error
        self.ensured.add(action.alias)
        self.counts["indices_created"] += created
        return None
