"""Quarantine: a document that the engine refuses gives up the fields at fault and is sent again in the same invocation.

Invariant (law 5): a field is set apart because the engine refuses it alone, because the index has no room for it, or,
last, because the document is accepted without it. What a reason text names is only asked about first. The number of
rounds is bounded, and a document that is refused with no fields left is hopeless.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from tailrace.actions import Action
from tailrace.bulk import halve
from tailrace.documents import set_apart, split_document
from tailrace.failures import EngineError
from tailrace.field_room import FieldRoom, Shares
from tailrace.ports import IndexFields, ItemResult
from tailrace.probing import Probe, Prober, is_refused, is_unknown

NO_ROOM = "the index has no room for another field"
MAX_SINGLE_DROPS = 4
MAX_HINT_CHARACTERS = 1_000
ASKED_AT_ONCE = 16

_quoted = re.compile(r"""[\["'`]([^\[\]"'`]+)[\]"'`]""").findall


@dataclass(slots=True)
class Trial:
    """One refused document. `rejected` holds the reason for each field that is set apart for good; `sent` is the
    document that went again, if one did."""

    action: Action
    result: ItemResult
    fields: dict[str, Any]
    bookkeeping: dict[str, Any]
    rejected: dict[str, str] = field(default_factory=dict)
    is_searched: bool = False
    sent: bytes | None = None
    drops: Iterator[tuple[str, ...]] | None = None

    def remaining(self) -> list[str]:
        """The names of the fields that still stand."""
        return [name for name in self.fields if name not in self.rejected]

    def rebuild(self, dropped: Sequence[str] = ()) -> Action:
        """The action without what is rejected and `dropped`."""
        reasons = self.rejected | dict.fromkeys(dropped, self.result.reason or "refused by the engine")
        self.sent = set_apart(self.fields, self.bookkeeping, reasons)
        return self.action._replace(source=self.sent)


Group = tuple[Trial, tuple[str, ...]]


class Judgement(NamedTuple):
    """What to do with refused actions: send `again` at once, try `waiting` ones later, give up `hopeless` ones."""

    again: list[Action]
    waiting: list[Action]
    hopeless: list[tuple[Action, ItemResult]]


@dataclass(slots=True)
class Quarantine:
    """The trials of one delivery. Lives and ends with it, as does all that it learns about an index."""

    prober: Prober
    _trials: dict[tuple[str, str], Trial] = field(default_factory=dict)
    _suspects: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _searched: set[str] = field(default_factory=set)
    _hopeless: set[str] = field(default_factory=set)

    def judge(self, refused: Sequence[tuple[Action, ItemResult]]) -> Judgement:
        """One more step for each refused action. Nothing is raised for what the engine does."""
        trials = [self._trial(action, result) for action, result in refused]
        self._search([trial for trial in trials if not trial.is_searched])
        judgement = Judgement([], [], [])
        for trial in trials:
            self._sentence(trial, judgement)
        return judgement

    def count_set_apart(self, actions: Iterable[Action]) -> int:
        """How many of the actions carry a document with fields set apart here."""
        return sum(map(self._is_set_apart, actions)) if self._trials else 0

    def _is_set_apart(self, action: Action) -> bool:
        trial = self._trials.get((action.alias, action.id))
        return trial is not None and trial.sent is not None and trial.sent == action.source

    def _trial(self, action: Action, result: ItemResult) -> Trial:
        known = self._trials.get((action.alias, action.id))
        if known is not None and action.source in (known.sent, known.action.source):
            known.action, known.result = action, result
            return known
        trial = Trial(action, result, *split_document(action.source or b"{}"))
        self._trials[action.alias, action.id] = trial
        return trial

    def _search(self, trials: Sequence[Trial]) -> None:
        """Find the fields at fault. Of many documents one of each index comes first, so that what it teaches spares
        the others most; few are asked about at once, since a request costs more than some probes.
        """
        pilots = {trial.action.alias: trial for trial in reversed(trials) if trial.action.alias not in self._searched}
        self._searched.update(pilots)
        others = [trial for trial in trials if trial is not pilots.get(trial.action.alias)]
        for trial in trials:
            trial.is_searched = True  # until a probe is not answered
        waves = (list(pilots.values()), others) if len(others) > ASKED_AT_ONCE else (trials,)
        for number, wave in enumerate(waves):
            self._ask_about(wave, [(trial, ()) for trial in pilots.values()] if number == 0 else [])

    def _ask_about(self, trials: Sequence[Trial], pilots: list[Group]) -> None:
        """Some documents, and with the first of an index whether it takes no fields at all: else it refuses all."""
        hopeful = [trial for trial in trials if trial.action.alias not in self._hopeless]
        indices = self._read_fields(hopeful)
        groups = ((each, names) for each in hopeful for names in self._first_groups(each, indices))
        self._narrow_down(pilots, *_fitting(groups, indices))

    def _read_fields(self, trials: Iterable[Trial]) -> dict[str, IndexFields]:
        """By alias; nothing for an engine that does not tell, be it for want of a right: then probes alone decide."""
        found = {}
        for alias in {trial.action.alias for trial in trials}:
            with suppress(EngineError):
                found[alias] = self.prober.engine.read_fields(alias, timeout=self.prober.budget.timeout())
        return found

    def _first_groups(self, trial: Trial, indices: Mapping[str, IndexFields]) -> list[tuple[str, ...]]:
        """What is asked at first: each suspect alone, then all fields that the index has, then all new ones."""
        index = indices.get(trial.action.alias)
        suspects = self._suspects[trial.action.alias] | _mentioned(trial.result.reason)
        known = frozenset() if index is None else index.names
        names = trial.remaining()
        singles = [(name,) for name in names if name in suspects]
        rest = [name for name in names if name not in suspects]
        groups = [tuple(name for name in rest if (name in known) is is_known) for is_known in (True, False)]
        return [*singles, *filter(None, groups)]

    def _narrow_down(self, pilots: list[Group], groups: list[Group], later: list[Group]) -> None:
        """Halve every group of fields that is refused, until each field at fault stands alone; `later` has no room
        beside the groups that are asked about now."""
        while pilots or groups:
            asked, pilots = [*pilots, *groups], []
            answers = self.prober.ask([_probe(trial, names) for trial, names in asked])
            pairs = zip(asked, answers, strict=True)
            parts = [part for (trial, names), answer in pairs for part in self._narrow(trial, names, answer)]
            hopeful = [part for part in [*parts, *later] if part[0].action.alias not in self._hopeless]
            groups, later = _fitting(hopeful, self._read_fields(trial for trial, _ in hopeful))

    def _narrow(self, trial: Trial, names: tuple[str, ...], answer: ItemResult) -> Iterator[Group]:
        trial.is_searched = trial.is_searched and not is_unknown(answer)
        if not is_refused(answer):
            return
        if not names:
            self._hopeless.add(trial.action.alias)
        elif len(names) == 1:
            self._suspects[trial.action.alias].add(names[0])
            trial.rejected[names[0]] = answer.reason or "refused by the engine"
        else:
            yield from ((trial, tuple(half)) for half in halve(names))

    def _sentence(self, trial: Trial, judgement: Judgement) -> None:
        if trial.action.alias in self._hopeless:
            judgement.hopeless.append((trial.action, trial.result))
        elif not trial.is_searched:
            judgement.waiting.append(trial.action)
        elif trial.rejected and trial.action.source != trial.sent:  # a settled conflict brings the whole document back
            judgement.again.append(trial.rebuild())
        elif (dropped := self._next_drop(trial)) is not None:
            judgement.again.append(trial.rebuild(dropped))
        else:
            judgement.hopeless.append((trial.action, trial.result))

    def _next_drop(self, trial: Trial) -> tuple[str, ...] | None:
        """The next fields to do without, when each passes alone and the document does not."""
        if trial.drops is None:
            trial.drops = _drops(trial)
        return next(trial.drops, None)


def _fitting(groups: Iterable[Group], indices: Mapping[str, IndexFields]) -> tuple[list[Group], list[Group]]:
    """What fits into the indices all together, and what has to wait for it. What an index as full as it is now cannot
    take even alone is rejected, unasked: every new field that the engine takes on is a change of its cluster's state.
    """
    fitting, later = [], []
    rooms = {alias: FieldRoom(index) for alias, index in indices.items()}
    for trial, names in groups:
        room = rooms.get(trial.action.alias)
        shares = (
            Shares(list(names), [], []) if room is None else room.share({name: trial.fields[name] for name in names})
        )
        trial.rejected.update(dict.fromkeys(shares.unfit, NO_ROOM))
        fitting.append((trial, tuple(shares.fit)))
        later.append((trial, tuple(shares.later)))
    return [group for group in fitting if group[1]], [group for group in later if group[1]]


def _probe(trial: Trial, names: tuple[str, ...]) -> Probe:
    return Probe(trial.action.alias, trial.action.id, {name: trial.fields[name] for name in names})


def _mentioned(reason: str | None) -> set[str]:
    """What a reason text puts in brackets or quotes, as far as it could name an attribute."""
    quoted = _quoted((reason or "")[:MAX_HINT_CHARACTERS])
    return {name for text in quoted for name in (text, text.partition(".")[0])}


def _drops(trial: Trial) -> Iterator[tuple[str, ...]]:
    """A few fields one by one, those that the reason mentions and then the largest first; then 2, 4, 8, … together."""
    mentioned = _mentioned(trial.result.reason)
    sizes = {name: len(orjson.dumps(trial.fields[name])) for name in trial.remaining()}
    names = sorted(sizes, key=lambda name: (name not in mentioned, -sizes[name]))
    yield from ((name,) for name in names[:MAX_SINGLE_DROPS])
    count = 2
    while count < len(names):
        yield tuple(names[:count])
        count *= 2
    if len(names) > 1:
        yield tuple(names)
