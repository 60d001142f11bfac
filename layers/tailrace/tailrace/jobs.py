"""The record of a reindex: what it set out to do, how far it is, and a checkpoint for each slice of the load.

It lies in the bucket beside the dead letters, so that any machine may go on where another was killed. Invariant: a
checkpoint covers what is durably written and nothing else (failure 42), and no two slices share one (failure 64).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import orjson

from tailrace.errors import TailraceError, UserError
from tailrace.letterboxes import LetterBox

FORMAT = 1
PREFIX = "reindex"


class Phase(StrEnum):
    """How far a reindex is. A phase is written down before its first action, so that a resumed one begins it again."""

    ANNOUNCING = "announcing"
    FENCING = "fencing"
    LOADING = "loading"
    VERIFYING = "verifying"
    SWAPPING = "swapping"
    SWAPPED = "swapped"
    ROLLED_BACK = "rolled back"


class Move(NamedTuple):
    """An alias, the generation that is built for it, and the one that it leaves; empty where there was none."""

    alias: str
    built: str
    left: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One reindex. Times are seconds since the epoch; `read_from` is the time before reading began, 0 until then.

    `source` is the kind of its `sources.Source`, `fingerprint` that of the spec it builds for; `exports` are those
    that were or are to be loaded, in order, `segments` the scans side by side.
    """

    id: str
    table: str
    source: str
    fingerprint: str
    started_at: float
    phase: Phase = Phase.ANNOUNCING
    moves: tuple[Move, ...] = ()
    fence_until: float = 0.0
    read_from: float = 0.0
    segments: int = 1
    exports: tuple[str, ...] = ()

    def entering(self, phase: Phase, **changes: Any) -> "Job":
        """The same job in another phase."""
        return replace(self, phase=phase, **changes)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far one slice is. `position` is where to go on: a LastEvaluatedKey, a number of lines, None at the start.

    `capacity` is in read capacity units; the rest counts items. `problem` is the sentence with which its last load
    ended before its end.
    """

    position: Any = None
    is_done: bool = False
    read: int = 0
    written: int = 0
    stale: int = 0
    filtered: int = 0
    dead_lettered: int = 0
    quarantined: int = 0
    capacity: float = 0.0
    problem: str = ""


class JobError(TailraceError):
    """The record of a job cannot be read: it is not of this version, or not of Tailrace."""


@dataclass(frozen=True, slots=True)
class JobStore:
    """The jobs of one bucket: `reindex/<table>/job.json`, and the checkpoints below `reindex/<table>/<job>/`."""

    box: LetterBox

    def read(self, table: str) -> Job | None:
        """The table's last job that is not finished with; None where there is none.

        Raises JobError for a record of another version, LetterBoxError when the bucket does not answer.
        """
        [body] = self.box.read([_job_key(table)])
        return None if body is None else _decode_job(body)

    def write(self, job: Job) -> None:
        """Write the job down. Raises DeadLetterStoreError: then nothing further may be done."""
        told = asdict(job) | {"phase": job.phase.value, "moves": [list(move) for move in job.moves]}
        self.box.put(_job_key(job.table), orjson.dumps({"format": FORMAT} | told))

    def forget(self, job: Job) -> None:
        """Remove a job that has ended, its checkpoints first. Raises LetterBoxError."""
        self.box.delete([found.key for found in self.box.list(_prefix(job))])
        self.box.delete([_job_key(job.table)])

    def read_checkpoints(self, job: Job, slices: Iterable[str]) -> dict[str, Checkpoint]:
        """The checkpoint of each slice, a fresh one where there is none. Raises LetterBoxError."""
        names = list(slices)
        bodies = self.box.read([_checkpoint_key(job, name) for name in names])
        return {
            name: Checkpoint() if body is None else Checkpoint(**orjson.loads(body))
            for name, body in zip(names, bodies, strict=True)
        }

    def find_checkpoints(self, job: Job) -> dict[str, Checkpoint]:
        """The checkpoints that there are, by slice, none of one that was not begun. Raises LetterBoxError."""
        keys = [found.key for found in self.box.list(_prefix(job)) if found.key.endswith(".json")]
        names = [unquote(key.removeprefix(_prefix(job)).removesuffix(".json")) for key in keys]
        return self.read_checkpoints(job, names)

    def write_checkpoint(self, job: Job, slice_name: str, checkpoint: Checkpoint) -> None:
        """Write down how far a slice is, once all before it is durable. Raises DeadLetterStoreError."""
        self.box.put(_checkpoint_key(job, slice_name), orjson.dumps(asdict(checkpoint)))

    def write_slices(self, job: Job, names: Iterable[str]) -> str:
        """Write down which slices a job has, as JSON for a Distributed Map; its key. Raises DeadLetterStoreError."""
        key = f"{_prefix(job)}slices"  # no checkpoint: these end in .json
        self.box.put(key, orjson.dumps([{"slice": name} for name in names]))
        return key


def refuse_other_spec(job: Job, fingerprint: str) -> None:
    """Raises UserError when the spec has changed since the job began: its documents would be of two kinds."""
    if job.fingerprint != fingerprint:
        raise UserError(
            f"the spec of table {job.table} has changed since its reindex began: run `tailrace reindex {job.table} "
            "--abort`, then begin anew"
        )


def _prefix(job: Job) -> str:
    return f"{PREFIX}/{job.table}/{job.id}/"


def _job_key(table: str) -> str:
    return f"{PREFIX}/{table}/job.json"


def _checkpoint_key(job: Job, slice_name: str) -> str:
    return f"{_prefix(job)}{quote(slice_name, safe='')}.json"


def _decode_job(body: bytes) -> Job:
    try:
        told = orjson.loads(body)
        if told.pop("format") != FORMAT:
            raise ValueError("format")
        told |= {"phase": Phase(told["phase"]), "exports": tuple(told["exports"])}
        return Job(**told | {"moves": tuple(Move(*move) for move in told["moves"])})
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise JobError("the record of the reindex is not one that this version of Tailrace can read") from error
