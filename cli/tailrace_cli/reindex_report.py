"""What `tailrace reindex` shows: a bar for people, one JSON line per event for machines, a summary at the end.

Invariant: the bar goes to standard error, and only to a terminal; standard output holds the result, or with `--json`
one event a line, the summary last.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any

import click
import orjson

from tailrace.certificates import Certificate
from tailrace.jobs import Checkpoint, Job, Move, Phase
from tailrace.verifying import Progress
from tailrace_cli.verify_report import print_certificate

SECONDS_BETWEEN_EVENTS = 1.0
_TITLES = {
    Phase.ANNOUNCING: "Announcing the next generation",
    Phase.FENCING: "Waiting for every writer, and for exports",
    Phase.LOADING: "Loading",
    Phase.VERIFYING: "Verifying",
    Phase.SWAPPING: "Swapping",
    Phase.SWAPPED: "Swapped",
    Phase.ROLLED_BACK: "Rolled back",
}
_WALKS = {"table": "items against documents", "index": "documents against items", "suspects": "looking again"}
_ENDINGS = {
    "status": "",
    "rollback": "Searches go to {now}. --rollback once more turns back, --finish drops the other generation.",
    "abort": "The reindex is given up: what is searched is as it was.",
    "finish": "The generation that was left is dropped.",
}


@dataclass(slots=True)
class Reporter:
    """Hears of everything that happens, from several threads at once; `bar` is rich's, or None."""

    as_json: bool
    bar: Any = None
    expected: int = 0
    _task: Any = None
    _phase: Phase | None = None
    _loaded: dict[str, Checkpoint] = field(default_factory=dict)
    _before: int = 0
    _began_at: float = 0.0
    _told_at: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def expect(self, items: int) -> None:
        """How many items the table has by its own count, which may be six hours old."""
        self.expected = items

    def begin(self, checkpoints: Mapping[str, Checkpoint]) -> None:
        """A run begins with what was loaded before it."""
        self._loaded = dict(checkpoints)
        self._before = add_up(checkpoints)["read"]

    def phase(self, job: Job) -> None:
        """A phase was entered; or, while waiting, still lasts."""
        with self._lock:
            if job.phase is self._phase:
                return
            self._phase, self._began_at = job.phase, monotonic()
            self._tell({"event": "phase", "phase": job.phase.value, "job": job.id, "table": job.table})
            if self.bar is not None:
                if self._task is not None:
                    self.bar.remove_task(self._task)
                self._task = self.bar.add_task(_TITLES[job.phase], total=None, note="")

    def page(self, name: str, checkpoint: Checkpoint) -> None:
        """A slice's checkpoint was written."""
        with self._lock:
            self._loaded[name] = checkpoint
            totals = add_up(self._loaded)
            rate = (totals["read"] - self._before) / max(monotonic() - self._began_at, 0.001)
            eta = round(max(self.expected - totals["read"], 0) / rate) if rate else None
            notes = [f"{rate:,.0f} items/s"]
            notes += [f"{totals['capacity']:,.0f} read units"] if totals["capacity"] else []
            notes += [f"{totals['dead_lettered']:,} dead letters"] if totals["dead_lettered"] else []
            notes += [] if eta is None else [f"{show_seconds(eta)} left"]
            self._show(totals["read"], self.expected, ", ".join(notes))
            self._tell_now_and_then({"event": "load", **totals, "per_second": round(rate), "eta_seconds": eta})

    def verification(self, progress: Progress) -> None:
        """The verification before the swap goes on."""
        with self._lock:
            self._show(progress.done, progress.total, _WALKS[progress.phase])
            self._tell_now_and_then({"event": "verify", **progress._asdict()})

    def plan(self, moves: Sequence[Move], costs: Mapping[str, Any]) -> None:
        """What a dry run found out."""
        self.close()
        if self.as_json:
            self._tell({"event": "plan", "moves": [move._asdict() for move in moves], **costs})
            return
        rows = [("generation", f"{move.alias}: {move.left or 'none'} -> {move.built}") for move in moves]
        rows = rows or [("generation", "one for each type of item that comes")]
        rows.append(("items", f"{costs['items']:,}, {show_bytes(costs['bytes'])}, by the table's own count"))
        rows.append(("read units", f"{costs['read_units']:,} to load, {costs['read_units_to_verify']:,} to verify"))
        if "export_gb" in costs:
            rows.append(("export", f"{costs['export_gb']:,} GB, which DynamoDB bills"))
        rows.append(("time", f"about {show_seconds(costs['seconds'])}, without that of exports"))
        _print_rows(rows)
        click.echo("Nothing was done.")

    def end(self, action: str, job: Job, checkpoints: Mapping[str, Checkpoint]) -> None:
        """What `--status`, `--rollback`, `--abort` or `--finish` did or found."""
        self.close()
        if self.as_json:
            self._tell({"event": action, **_describe(job), **add_up(checkpoints), "problems": _problems(checkpoints)})
            return
        _print_job(job, checkpoints)
        now = ", ".join(move.left if job.phase is Phase.ROLLED_BACK else move.built for move in job.moves)
        click.echo(_ENDINGS[action].format(now=now), nl=bool(_ENDINGS[action]))

    def summarise(self, job: Job, checkpoints: Mapping[str, Checkpoint], certificate: Certificate | None) -> None:
        """The end of a run: what was loaded, what the verification found, what is searched now."""
        self.close()
        if self.as_json:
            proof = None if certificate is None else certificate.as_dict()
            self._tell({"event": "summary", **_describe(job), **add_up(checkpoints), "certificate": proof})
            return
        if certificate is not None:
            print_certificate(certificate)
            click.echo()
        _print_job(job, checkpoints)
        click.echo(_say_where_it_stands(job))

    def close(self) -> None:
        """The bar goes, and leaves the terminal as it was."""
        if self.bar is not None:
            self.bar.stop()

    def _show(self, done: int, total: int, note: str) -> None:
        if self.bar is not None and self._task is not None:
            self.bar.update(self._task, completed=done, total=max(done, total), note=note)

    def _tell_now_and_then(self, event: Mapping[str, Any]) -> None:
        if monotonic() - self._told_at >= SECONDS_BETWEEN_EVENTS:
            self._told_at = monotonic()
            self._tell(event)

    def _tell(self, event: Mapping[str, Any]) -> None:
        if self.as_json:
            click.echo(orjson.dumps(event).decode())


def add_up(checkpoints: Mapping[str, Checkpoint]) -> dict[str, Any]:
    """The sums over all slices that were begun, and how many of them are done."""
    told = checkpoints.values()
    names = ("read", "written", "stale", "filtered", "dead_lettered", "quarantined", "capacity")
    sums = {name: sum(getattr(each, name) for each in told) for name in names}
    return sums | {"slices": len(told), "slices_done": sum(each.is_done for each in told)}


def show_seconds(seconds: int) -> str:
    """A duration as people say it: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    minutes, hours = seconds // 60, seconds // 3_600
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def show_bytes(size: float) -> str:
    """A size as people say it: `512 bytes`, `3.4 MB`."""
    units = {"TB": 1e12, "GB": 1e9, "MB": 1e6, "kB": 1e3}
    return next((f"{size / one:,.1f} {unit}" for unit, one in units.items() if size >= one), f"{size:,.0f} bytes")


def _describe(job: Job) -> dict[str, Any]:
    moves = [move._asdict() for move in job.moves]
    return {"phase": job.phase.value, "job": job.id, "table": job.table, "source": job.source, "moves": moves}


def _problems(checkpoints: Mapping[str, Checkpoint]) -> dict[str, str]:
    return {name: each.problem for name, each in sorted(checkpoints.items()) if each.problem and not each.is_done}


def _say_where_it_stands(job: Job) -> str:
    if job.phase is Phase.SWAPPED and not any(move.left for move in job.moves):
        return "The table is loaded, and its indices are searched."
    if job.phase is Phase.SWAPPED:
        return (
            f"The new generation is searched. `tailrace reindex {job.table} --rollback` turns back; --finish drops the "
            "old one, which takes every write until then."
        )
    if job.phase is Phase.ROLLED_BACK:
        return "This reindex was rolled back: --rollback once more turns it round again, --finish drops what it built."
    return "Nothing was swapped: what is searched is as it was. Mend the cause, then --resume, or --abort."


def _print_job(job: Job, checkpoints: Mapping[str, Checkpoint]) -> None:
    totals = add_up(checkpoints)
    rows = [("table", job.table), ("reindex", f"{job.id}, by {job.source}: {job.phase.value}")]
    rows += [("generation", _show_move(job, move)) for move in job.moves]
    rows += [("export", uri) for uri in job.exports]
    if checkpoints:
        left_out = f", {totals['filtered']:,} kept out by the filter" if totals["filtered"] else ""
        told = f"{totals['read']:,} items: {totals['written']:,} written, {totals['stale']:,} changed since{left_out}"
        rows += [("loaded", told), ("slices", f"{totals['slices_done']} done of {totals['slices']} begun")]
    rows += [("set apart", f"{totals['quarantined']:,} with refused fields")] if totals["quarantined"] else []
    rows += [("dead letters", f"{totals['dead_lettered']:,}")] if totals["dead_lettered"] else []
    rows += [("read units", f"{totals['capacity']:,.0f} to load")] if totals["capacity"] else []
    rows += [("stopped", f"{name}: {problem}") for name, problem in _problems(checkpoints).items()]
    _print_rows(rows)


def _show_move(job: Job, move: Move) -> str:
    """What is left is known for certain only when it is."""
    if job.phase in (Phase.SWAPPED, Phase.ROLLED_BACK):
        return f"{move.alias}: {move.left or 'none'} -> {move.built}"
    return f"{move.alias}: {move.built} is built"


def _print_rows(rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")


@contextmanager
def open_reporter(as_json: bool) -> Iterator[Reporter]:
    """A reporter with a bar on a terminal, and without one elsewhere."""
    if as_json or not sys.stderr.isatty():
        yield Reporter(as_json)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Reporter(as_json, bar)
