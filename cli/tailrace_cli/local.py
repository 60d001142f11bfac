"""`tailrace local`: bring the laptop cloud up in the background, say what runs, and take it down.

Invariant: `up` returns when everything answers, `down` when nothing of it is left; both are harmless when done twice.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tailrace.errors import TailraceError
from tailrace_cli.console_output import json_option, print_json, print_rows
from tailrace_cli.main import EXIT_FAILED
from tailrace_local.cloud_control import ask
from tailrace_local.cloud_state import CloudState, read_state, stop_supervisor
from tailrace_local.paths import state_directory
from tailrace_local.supervisor_launch import STOP_SECONDS, Launch, start_supervisor

DOWN = "The laptop cloud is not up."
COUNTS = ("polled", "delivered", "filtered", "invocations", "failures", "retries", "bisects", "on_failure", "pending")

template_option = click.option(
    "--template", type=Path, default=Path("template.yaml"), show_default=True, help="The SAM template."
)


@click.group()
def local() -> None:
    """The laptop cloud: what template.yaml declares, on this machine."""


@local.command()
@template_option
@click.option("--tables", type=Path, default=Path("tables.yaml"), show_default=True, help="The tables to create.")
@click.option("--built", "is_built", is_flag=True, help="Run what `sam build` made instead of the source folders.")
@json_option
def up(template: Path, tables: Path, is_built: bool, as_json: bool) -> int:
    """Start it in the background and wait until it answers.

    Tables whose key tables.yaml declares are created; a key attribute is text unless its field says otherwise.
    """
    run = _run_folder()
    if state := read_state(run):
        _print_status(state, as_json, "The laptop cloud is up already.")
        return 0
    start_supervisor(Launch(template, tables, is_built, run / "supervisor.log"), _say_on_stderr)
    state = read_state(run)
    if state is None:
        raise TailraceError("the laptop cloud was stopped by somebody else as soon as it was up")
    _print_status(state, as_json, "The laptop cloud is up.")
    return 0


@local.command()
@json_option
def down(as_json: bool) -> int:
    """Stop it and wait until nothing is left."""
    run = _run_folder()
    state = read_state(run)
    if state is not None:
        stop_supervisor(run, state, STOP_SECONDS)
    if as_json:
        print_json({"stopped": state is not None})
    else:
        click.echo(DOWN if state is None else "The laptop cloud is down.")
    return 0


@local.command()
@json_option
def status(as_json: bool) -> int:
    """Say what runs, and whether it keeps up: how long the oldest unsettled change waits, and the last time that
    changes were applied. Streams of tables made in the meantime are attached. Exit status 1 when it is down.
    """
    state = read_state(_run_folder())
    if state is not None:
        _print_status(state, as_json, "The laptop cloud is up.")
        return 0
    if as_json:
        print_json({"up": False})
    else:
        click.echo(DOWN)
    return EXIT_FAILED


def _run_folder() -> Path:
    return state_directory() / "run"


def _say_on_stderr(line: str) -> None:
    click.echo(line, err=True)


def _print_status(state: CloudState, as_json: bool, headline: str) -> None:
    found = ask(state, "/status")
    if as_json:
        print_json({"up": True, "pid": state.pid, "endpoints": state.endpoints, "built": state.is_built, **found})
        return
    click.echo(headline)
    for label, value in _facts(state, found):
        click.echo(f"  {label:<14}{value}")
    if found["mappings"]:
        headings = ["mapping", "state", *map(_heading, COUNTS), "lag s", "last applied"]
        print_rows(headings, map(_mapping_row, found["mappings"]))


def _facts(state: CloudState, found: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    since = datetime.fromtimestamp(state.started_at, UTC).astimezone()
    return [
        ("up since", f"{since:%Y-%m-%d %H:%M:%S} (process {state.pid})"),
        ("ready", _readiness(found["mappings"])),
        ("OpenSearch", state.endpoints["opensearch"]),
        ("DynamoDB, S3", state.endpoints["aws"]),
        *(("function", f"{name}, from {folder}") for name, folder in found["functions"].items()),
        *(("at rest", f"{name}: {reason}") for name, reason in found["resting"].items()),
    ]


def _mapping_row(mapping: Mapping[str, Any]) -> Sequence[str]:
    counts = [str(mapping[name]) for name in COUNTS]
    applied = mapping["applied_at"]
    at = "never" if applied is None else f"{datetime.fromtimestamp(applied, UTC).astimezone():%H:%M:%S}"
    return [mapping["name"], mapping["state"], *counts, f"{mapping['lag_seconds']:.1f}", at]


def _readiness(mappings: Sequence[Mapping[str, Any]]) -> str:
    late = [each["name"] for each in mappings if not each["ready"]]
    return f"no, these do not keep up: {', '.join(late)}" if late else "yes"


def _heading(name: str) -> str:
    return name.replace("_", "-")
