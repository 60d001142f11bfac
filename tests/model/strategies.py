"""Histories as hypothesis draws and shrinks them."""

from hypothesis import strategies as st

from model.steps import FAULTS, MAX_STEPS, MOMENTS, WEIGHTS, History, Step
from model.tables import KEYS, TABLES

_SIMPLE = sorted(WEIGHTS.keys() - MOMENTS)


def histories() -> st.SearchStrategy[History]:
    """A history over one or two tables."""
    pairs = st.lists(st.integers(0, len(TABLES) - 1), min_size=1, max_size=2)
    return pairs.flatmap(lambda tables: _steps(tables, depth=0, most=MAX_STEPS))


def _steps(tables: list[int], depth: int, most: int) -> st.SearchStrategy[History]:
    common = {"table": st.sampled_from(tables), "key": st.integers(0, KEYS - 1), "amount": st.integers(0, 23)}
    simple = st.builds(Step, st.sampled_from([*["put"] * 4, "remove", *_SIMPLE]), **common)
    inner = _steps(tables, depth + 1, most=4) if depth < 2 else st.just(())
    fault = st.sampled_from(["", *FAULTS])
    kinds = st.sampled_from([*["deliver"] * 4, *sorted(MOMENTS)])
    invocation = st.builds(Step, kinds, fault=fault, at=st.integers(0, 4), meanwhile=inner, **common)
    return st.lists(simple | invocation, max_size=most).map(tuple)
