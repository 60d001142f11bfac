"""Shadows: a second generation of an index that takes every write beside the one that is searched.

`<alias>@next` is under construction, `<alias>@previous` is kept for a rollback. Invariant: a change is settled when it
is settled in every generation that has an alias at the time. A deletion leaves a tombstone in a shadow whatever the
spec says of deletes: only that keeps a backfill, which may last longer than the engine remembers, from bringing the
item back (failures 2, 78, trap 30).
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from tailrace.actions import Action
from tailrace.bulk import halve
from tailrace.failures import Disposition, EngineError, classify_request
from tailrace.generations import main_alias, next_alias, previous_alias
from tailrace.ports import SearchEngine


def find_shadows(
    engine: SearchEngine, aliases: Sequence[str], timeout: Callable[[], float]
) -> tuple[frozenset[str], dict[str, EngineError]]:
    """The shadows of some aliases; and by alias, the engine's refusal to be asked about it by this identity.

    Raises EngineError for whatever else goes wrong.
    """
    try:
        return engine.read_shadows(aliases, timeout=timeout()), {}
    except EngineError as error:
        if classify_request(error.status, error.error_type).disposition is not Disposition.REFUSE:
            raise
        if len(aliases) == 1:
            return frozenset(), {aliases[0]: error}
    found, refused = zip(*(find_shadows(engine, half, timeout) for half in halve(aliases)), strict=True)
    return found[0] | found[1], refused[0] | refused[1]


def write_shadows(
    actions: Iterable[Action], shadows: Collection[str], soften: Callable[[Action], Action]
) -> list[Action]:
    """Each action, and after it the same one for each shadow of its alias. `shadows` are the aliases that exist;
    `soften` makes a tombstone of a physical delete, or leaves it: then it is no change of an item, and stays out.
    """
    if not shadows:
        return list(actions)
    written: list[Action] = []
    for action in actions:
        written.append(action)
        for shadow in (next_alias(action.alias), previous_alias(action.alias)):
            if shadow in shadows:
                softened = soften(action) if action.source is None else action
                if softened.source is not None:
                    written.append(softened._replace(alias=shadow))
    return written


def part_shadows(actions: Iterable[Action]) -> tuple[list[Action], list[Action]]:
    """The actions of shadows, and the others.

    Shadows are written first: whatever a search has seen then stands in every generation, and no swap takes it back.
    """
    listed = list(actions)
    names = {alias for alias in {action.alias for action in listed} if main_alias(alias) is not None}
    if not names:
        return [], listed
    return [a for a in listed if a.alias in names], [a for a in listed if a.alias not in names]


def ask_for_shadows(
    reread: Callable[[Action, int], Action | None], soften: Callable[[Action], Action]
) -> Callable[[Action, int], Action | None]:
    """`reread` for the actions of shadows, too. The table's word knows read aliases alone: asked under a shadow's name,
    it would be that the item belongs elsewhere.
    """

    def ask(action: Action, version: int) -> Action | None:
        alias = main_alias(action.alias)
        if alias is None:
            return reread(action, version)
        told = reread(action._replace(alias=alias), version)
        if told is None:
            return None
        return (soften(told) if told.source is None else told)._replace(alias=action.alias)

    return ask


def leave_shadows(missing: Sequence[Action]) -> tuple[list[Action], list[Action]]:
    """Actions whose alias is missing, in two: those whose index is to be created, and those of a shadow that is gone.

    A shadow goes by becoming the searched generation, or by being dropped. So its actions go to the read alias: where
    it was swapped in between they would be missing there, and everywhere else their versions make them duplicates.
    """
    gone = [action._replace(alias=alias) for action in missing if (alias := main_alias(action.alias)) is not None]
    return [action for action in missing if main_alias(action.alias) is None], gone
