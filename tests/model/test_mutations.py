"""The model notices: each rule of the product is broken on purpose, and a bounded number of histories shows it."""

import pytest

from model import wires
from model.judging import history_of, judge_on_twin
from model.real_judge import RealJudge
from model.test_regressions import TWO_READERS
from tailrace import acceleration, bulk, identity, pipeline, versions
from tailrace.actions import Planner
from tailrace.adapters.memory import MemoryEngine
from tailrace.outcomes import Outcome
from tailrace.settling import Ending, Settler
from tailrace.versions import Verdict

FIRST_SEED = 5_000
MOST_HISTORIES = 300


@pytest.fixture(autouse=True)
def in_python_alone(monkeypatch):
    """What is broken on purpose is the Python, which the accelerator would go past."""
    monkeypatch.setattr(acceleration, "NATIVE", None)


def histories_until_noticed(engine=MemoryEngine):
    """How many histories it took to see an index that is not its table; None when `MOST_HISTORIES` show nothing."""
    for number in range(1, MOST_HISTORIES + 1):
        text = judge_on_twin(history_of(FIRST_SEED + number), engine())
        assert text is None or "Traceback" not in text, text
        if text is not None:
            return number
    return None


class AcceptsEqualVersions(MemoryEngine):
    """As the engine would be with external_gte."""

    def _write(self, document, version, source):
        if self.versions.get(document) == version:
            self.versions[document] = version - 1
        return super()._write(document, version, source)


class AcceptsAnyVersion(MemoryEngine):
    """As the engine would be without versions."""

    def _write(self, document, version, source):
        self.versions.pop(document, None)
        return super()._write(document, version, source)


class ForgetsDeletes(MemoryEngine):
    """As the engine is a minute after a delete: index.gc_deletes keeps its version for 60 seconds."""

    def _write(self, document, version, source):
        result = super()._write(document, version, source)
        if source is None and result.status != 409:
            self.versions.pop(document, None)
        return result


def end_as_stale(settler, action, stored):
    return Ending(action, Outcome.STALE)


def keep_first(actions):
    first, superseded = {}, []
    for action in actions:
        if first.setdefault((action.alias, action.id), action) is not action:
            superseded.append(action)
    return list(first.values()), superseded


def hard_deletes(planner, record, key_names):
    return None


def without_move(act):
    return lambda *arguments: act(*arguments)[-1:]


def without_removals(act):
    return lambda *arguments: [action for action in act(*arguments) if action.done is not Outcome.DELETED]


def as_texts(ours, theirs):
    if ours is None or theirs is None:
        return Verdict.UNDECIDED
    return Verdict.DUPLICATE if ours == theirs else Verdict.NEWER if ours > theirs else Verdict.STALE


def send_again(settler, action, version):
    return action._replace(version=version)


def reading_once(decide):
    """After a lost race, what was read before it is written again."""
    known = {}

    def decide_once(settler, action, version):
        document = (id(settler), action.alias, action.id)
        if known.setdefault(document, []):
            return action._replace(version=version)
        known[document].append(settler)
        return decide(settler, action, version)

    return decide_once


def test_the_unbroken_product_shows_nothing():
    assert histories_until_noticed() is None


@pytest.mark.parametrize("engine", [AcceptsEqualVersions, AcceptsAnyVersion])
def test_a_version_that_is_not_strict_is_noticed(engine):
    assert histories_until_noticed(engine)


def test_a_conflict_that_counts_as_done_is_noticed(monkeypatch):
    monkeypatch.setattr(Settler, "_decide", end_as_stale)

    assert histories_until_noticed()


def test_a_conflict_that_is_undecided_and_written_blindly_is_noticed(monkeypatch):
    monkeypatch.setattr(Settler, "_ask_table", send_again)

    assert histories_until_noticed()


def test_a_lost_race_after_which_the_table_is_not_read_again_is_noticed(monkeypatch):
    monkeypatch.setattr(Settler, "_ask_table", reading_once(Settler._ask_table))

    assert judge_on_twin(TWO_READERS)


def test_sequence_numbers_compared_as_text_are_noticed(monkeypatch):
    monkeypatch.setattr(versions, "compare_sequence_numbers", as_texts)

    assert histories_until_noticed()


def test_removes_that_are_ignored_are_noticed(monkeypatch):
    monkeypatch.setattr(Planner, "_act", without_removals(Planner._act))

    assert histories_until_noticed()


def test_failures_2_78_removes_without_a_tombstone_are_noticed(monkeypatch):
    monkeypatch.setattr(Planner, "_tombstone", hard_deletes)

    assert histories_until_noticed(ForgetsDeletes)


def test_failure_22_the_first_change_of_a_batch_instead_of_the_last_is_noticed(monkeypatch):
    monkeypatch.setattr(pipeline, "coalesce", keep_first)

    assert histories_until_noticed()


def test_a_change_of_type_that_stays_in_its_old_index_is_noticed(monkeypatch):
    monkeypatch.setattr(Planner, "_act", without_move(Planner._act))

    assert histories_until_noticed()


def test_failures_7_8_ids_joined_without_escaping_are_noticed(monkeypatch):
    monkeypatch.setitem(identity._ENCODERS, "S", str)

    assert histories_until_noticed()


def test_failures_2_78_a_backfill_whose_time_has_no_margin_is_noticed(monkeypatch):
    monkeypatch.setattr(wires, "MARGIN_US", 0)

    assert histories_until_noticed()


# -- on a real engine, too ----------------------------------------------------------------------------------------


def with_equal_versions(render):
    return lambda *arguments: render(*arguments).replace(b'"version_type":"external"', b'"version_type":"external_gte"')


@pytest.fixture
def judge(opensearch, corner):
    return RealJudge(opensearch, corner)


@pytest.fixture
def histories():
    return {seed: history_of(seed) for seed in range(FIRST_SEED, FIRST_SEED + 60)}


@pytest.mark.slow
def test_a_real_engine_shows_that_a_version_is_not_strict(judge, histories, monkeypatch):
    monkeypatch.setattr(bulk, "render", with_equal_versions(bulk.render))

    assert judge.judge(histories).divergences


@pytest.mark.slow
def test_a_real_engine_shows_that_conflicts_are_not_settled(judge, histories, monkeypatch):
    monkeypatch.setattr(Settler, "_decide", end_as_stale)

    assert judge.judge(histories).divergences


@pytest.mark.slow
def test_failures_7_8_a_real_engine_shows_that_ids_are_not_escaped(judge, histories, monkeypatch):
    monkeypatch.setitem(identity._ENCODERS, "S", str)

    assert judge.judge(histories).divergences
