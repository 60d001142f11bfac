"""The steps of a reindex, each short enough for an invocation, for a state machine that takes them one after the other.

Invariant: a step may be taken again, by anybody: it looks up how far the job is and does what is left of its own part;
so a redriven execution, a new one and `tailrace reindex --resume` all go on with the same job.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any

from tailrace.errors import TailraceError, UserError
from tailrace.generations import spec_fingerprint
from tailrace.jobs import Job, Phase, refuse_other_spec
from tailrace.loading import SECONDS_PER_PAGE, LoadError
from tailrace.reindexing import Reindexer
from tailrace.sources import NotYetError, refuse_losses

MOST_ITEMS_TO_VERIFY = 1_000_000  # in 15 minutes: 1,200 a second, far below what docs/benchmarks.md shows
MOST_SECONDS_BETWEEN_LOOKS = 300
DEFAULT_SEGMENTS = 4
_ORDER = tuple(Phase)

Event = Mapping[str, Any]
Answer = dict[str, Any]


class DifferencesError(TailraceError):
    """What was loaded is not equal to the table, so nothing was swapped."""


def take_step(reindexer: Reindexer, event: Event, deadline: float) -> Answer:
    """Do what `step` of the event says; `deadline` is when the invocation has to be over, in seconds since the epoch.

    Raises UserError for an event or a job that does not fit the step, DifferencesError, LoadError, and whatever the
    reindexer raises: then the step may be taken again.
    """
    step = _STEPS.get(event.get("step", ""))
    if step is None:
        raise UserError(f"the event asks for step {event.get('step')!r}: it must be one of {', '.join(_STEPS)}")
    return step(reindexer, event, deadline)


def _begin(reindexer: Reindexer, event: Event, _deadline: float) -> Answer:
    asked: Event = event.get("input") or {}
    job = reindexer.jobs.read(reindexer.spec.name)
    if job is None or (job.id != event["job"] and not asked.get("resume")):
        is_accepted = bool(asked.get("without_removed"))
        refuse_losses(reindexer.spec, '"without_removed": true', is_accepted=is_accepted)
        segments, exports = int(asked.get("segments", DEFAULT_SEGMENTS)), asked.get("exports", ())
        job = reindexer.begin(event["job"], segments, exports)
    refuse_other_spec(job, spec_fingerprint(reindexer.spec))
    if job.phase is Phase.ANNOUNCING:
        job = reindexer.announce(job)
    fence = datetime.fromtimestamp(ceil(job.fence_until), UTC).isoformat().replace("+00:00", "Z")
    return {"table": job.table, "phase": job.phase.value, "fence_until": fence}


def _prepare(reindexer: Reindexer, event: Event, _deadline: float) -> Answer:
    job = _require(reindexer, at_least=Phase.FENCING)
    if job.phase is Phase.FENCING:
        try:
            job = reindexer.open_load(job)
        except NotYetError as wait:
            seconds = max(1, min(ceil(wait.seconds), MOST_SECONDS_BETWEEN_LOOKS))
            return {"is_ready": False, "seconds": seconds, "slices": ""}
    names = [part.name for part in reindexer.source.slices(job)]
    return {"is_ready": True, "seconds": 0, "slices": reindexer.jobs.write_slices(job, names)}


def _load(reindexer: Reindexer, event: Event, deadline: float) -> Answer:
    """One slice, until another page might not fit before the deadline; the state machine comes back for the rest."""
    job = _require(reindexer, at_least=Phase.LOADING)
    if job.phase is not Phase.LOADING:
        return {"is_done": True}
    part = next((each for each in reindexer.source.slices(job) if each.name == event["slice"]), None)
    if part is None:
        raise UserError(f"the reindex of {job.table} has no slice {event['slice']}")
    checkpoint = reindexer.jobs.read_checkpoints(job, [part.name])[part.name]
    checkpoint = reindexer.load_slice(job, part, checkpoint, deadline - SECONDS_PER_PAGE)
    return {"is_done": checkpoint.is_done}


def _finish_load(reindexer: Reindexer, event: Event, _deadline: float) -> Answer:
    """The gate: a slice without its last checkpoint is refused. Only in a redriven execution it is loaded again."""
    job = _require(reindexer, at_least=Phase.LOADING)
    items = sum(each.read for each in reindexer.checkpoints(job).values())
    if job.phase is Phase.LOADING:
        try:
            reindexer.finish_load(job)
        except LoadError as error:
            if event.get("redrives") != event.get("redrives_before"):
                return {"is_done": False, "is_small": False}
            raise _explain(error, event.get("failure") or {}) from error
    return {"is_done": True, "is_small": items <= MOST_ITEMS_TO_VERIFY}


def _explain(error: LoadError, failure: Event) -> LoadError:
    """What kept the map from its end, unless it was what its children say themselves."""
    name = failure.get("Error", "")
    if name in ("", "States.ExceedToleratedFailureThreshold"):
        return error
    return LoadError(f"{error}; the map ended in {name}: {failure.get('Cause', '')}")


def _verify(reindexer: Reindexer, event: Event, _deadline: float) -> Answer:
    job = _require(reindexer, at_least=Phase.VERIFYING)
    if job.phase is Phase.VERIFYING:
        certificate = reindexer.prove(job)
        if not certificate.is_clean:
            kinds = ", ".join(f"{count} {kind}" for kind, count in certificate.differences.by_kind().items() if count)
            raise DifferencesError(
                f"what was loaded differs from table {job.table} ({kinds}), so nothing was swapped: "
                f"`tailrace reindex {job.table} --resume` compares again and shows them, --abort gives up"
            )
        job = reindexer.pass_verification(job)
    return {"phase": job.phase.value}


def _swap(reindexer: Reindexer, event: Event, _deadline: float) -> Answer:
    job = _require(reindexer, at_least=Phase.SWAPPING)
    if job.phase is Phase.SWAPPING:
        reindexer.swap(job)
    return _status(reindexer, event, _deadline)


def _status(reindexer: Reindexer, _event: Event, _deadline: float) -> Answer:
    job = reindexer.jobs.read(reindexer.spec.name)
    if job is None:
        return {"table": reindexer.spec.name, "phase": "none", "is_over": True}
    checkpoints = reindexer.checkpoints(job).values()
    counts = ("read", "written", "stale", "filtered", "dead_lettered", "quarantined")
    return {
        "table": job.table,
        "job": job.id,
        "phase": job.phase.value,
        "is_over": _ORDER.index(job.phase) >= _ORDER.index(Phase.SWAPPED),
        "slices": len(checkpoints),
        "slices_done": sum(each.is_done for each in checkpoints),
        **{name: sum(getattr(each, name) for each in checkpoints) for name in counts},
    }


def _abort(reindexer: Reindexer, event: Event, deadline: float) -> Answer:
    job = reindexer.jobs.read(reindexer.spec.name)
    if job is not None:
        reindexer.abort(job)
    return _status(reindexer, event, deadline)


def _require(reindexer: Reindexer, at_least: Phase) -> Job:
    job = reindexer.jobs.read(reindexer.spec.name)
    if job is None:
        raise UserError(f"there is no reindex of {reindexer.spec.name}: it was given up, or finished")
    refuse_other_spec(job, spec_fingerprint(reindexer.spec))
    if _ORDER.index(job.phase) < _ORDER.index(at_least):
        raise UserError(f"the reindex of {job.table} is not as far as this step: it is {job.phase.value}")
    return job


_STEPS: Mapping[str, Callable[[Reindexer, Event, float], Answer]] = {
    "begin": _begin,
    "prepare": _prepare,
    "load": _load,
    "finish_load": _finish_load,
    "verify": _verify,
    "swap": _swap,
    "status": _status,
    "abort": _abort,
}
