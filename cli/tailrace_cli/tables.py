"""`tailrace tables`: check tables.yaml, explain an event, render what is made from it, create its indices.

Invariant: composition only; each command reads files, asks one pure function, prints, and returns its exit status.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import orjson

from tailrace.adapters.tables_file import read_document, read_tables
from tailrace.decoding import UnknownEventError
from tailrace.errors import UserError
from tailrace.generations import spec_fingerprint
from tailrace.index_names import Claim, claim
from tailrace.tables import Tables, TablesError, TableSpec
from tailrace_cli.console_output import json_option, print_json, print_rows
from tailrace_cli.explaining import Explanation, describe_write, explain_event
from tailrace_cli.main import EXIT_FAILED, EXIT_USAGE

COMPILED = Path("layers/tailrace/tables.json")
LOOPBACK = ("localhost", "127.0.0.1", "::1")

file_option = click.option(
    "--file", "file", type=Path, default=Path("tables.yaml"), show_default=True, help="The tables file."
)


@click.group()
def tables() -> None:
    """Check, explain, render and apply tables.yaml."""


@tables.command()
@file_option
@click.option("--live", is_flag=True, help="Compare keys and streams with the tables in DynamoDB, too.")
@json_option
def check(file: Path, live: bool, as_json: bool) -> int:
    """Validate the tables file and show what it means."""
    try:
        found = read_tables(file)
        if live:
            _refuse_live_mistakes(found, file)
    except TablesError as error:
        if as_json:
            print_json({"file": str(file), "tables": [], "mistakes": list(error.mistakes)})
            return EXIT_USAGE
        raise
    if as_json:
        print_json({"file": str(file), "tables": list(map(_describe, found.specs.values())), "mistakes": []})
        return 0
    rows = [list(map(str, _describe(spec).values()))[:-1] for spec in found.specs.values()]
    print_rows(["table", "key", "source", "index", "fields", "deletes"], rows)
    click.echo(f"{file}: {len(rows)} tables, no mistakes")
    return 0


@tables.command()
@click.argument("event", type=Path)
@file_option
@json_option
def explain(event: Path, file: Path, as_json: bool) -> int:
    """Show what each record of EVENT, a JSON file with a DynamoDB Streams event, would write, and why."""
    found = read_tables(file)
    try:
        explanations = explain_event(_read_event(event), found)
    except UnknownEventError as error:
        raise UserError(f"{event}: {error}") from error
    if as_json:
        print_json({"records": list(map(_explanation_as_dict, explanations))})
        return 0
    for explanation in explanations:
        _print_explanation(explanation)
    return 0


@tables.command()
@file_option
@click.option("--template", type=Path, help="The SAM template.  [default: template.yaml beside the tables file]")
@click.option("--compiled", type=Path, help=f"The compiled file.  [default: {COMPILED} beside the tables file]")
@click.option("--check", "is_check", is_flag=True, help="Write nothing; exit 1 when a file would change.")
@json_option
def render(file: Path, template: Path | None, compiled: Path | None, is_check: bool, as_json: bool) -> int:
    """Write what follows from the tables file into template.yaml, and compile it to JSON for the layer."""
    from tailrace_cli.rendering import render_compiled, render_template

    found, document = read_tables(file), read_document(file)
    template = template or file.parent / "template.yaml"
    wanted = {
        template: render_template(_read_text(template), found).encode(),
        compiled or file.parent / COMPILED: render_compiled(document),
    }
    changed = [path for path, content in wanted.items() if not path.is_file() or path.read_bytes() != content]
    if not is_check:
        for path in changed:
            _write(path, wanted[path])
    _report_rendered(list(wanted), changed, is_check, as_json)
    return EXIT_FAILED if is_check and changed else 0


@tables.command()
@file_option
@click.option("--url", envvar="OPENSEARCH_URL", required=True, help="OpenSearch.  [env: OPENSEARCH_URL]")
@click.option(
    "--service",
    envvar="OPENSEARCH_SERVICE",
    type=click.Choice(["es", "aoss", "none"]),
    help="How requests are signed.  [env: OPENSEARCH_SERVICE; default: none on loopback, else es]",
)
@click.option("--dry-run", is_flag=True, help="Create nothing; say what would be created.")
@json_option
def apply(file: Path, url: str, service: str | None, dry_run: bool, as_json: bool) -> int:
    """Create the indices that are missing; exit 1 when an existing one no longer fits its table's entry."""
    from tailrace.adapters.engine_access import open_engine
    from tailrace_cli.applying import GOOD_STATES, apply_tables

    found = read_tables(file)
    with open_engine(url, service or _guess_service(url)) as engine:
        applied = list(apply_tables(engine, found, is_dry_run=dry_run))
    if as_json:
        names = ("table", "alias", "state", "why")
        print_json({"aliases": [{name: getattr(one, name) for name in names} for one in applied]})
    else:
        print_rows(["table", "alias", "state", ""], [[one.table, one.alias, one.state, one.why] for one in applied])
    return 0 if all(one.state in GOOD_STATES for one in applied) else EXIT_FAILED


def _refuse_live_mistakes(found: Tables, file: Path) -> None:
    from tailrace.adapters.table_descriptions import connect, describe_table
    from tailrace.live_checks import find_live_mistakes

    client = connect()
    specs = found.specs.values()
    mistakes = [one for spec in specs for one in find_live_mistakes(spec, describe_table(client, spec.name))]
    if mistakes:
        raise TablesError(mistakes, str(file))


def _describe(spec: TableSpec) -> dict[str, Any]:
    return {
        "table": spec.name,
        "key": ", ".join(spec.key) or "(not declared)",
        "source": spec.source,
        "index": _show_claim(claim(spec.index, spec.index_prefix, spec.name)),
        "fields": len(spec.fields),
        "deletes": spec.deletes if spec.deletes == "hard" else f"{spec.deletes}, {spec.tombstone_days} days",
        "fingerprint": spec_fingerprint(spec),
    }


def _show_claim(claimed: Claim) -> str:
    return f"{claimed.head}<type>{claimed.tail}" if claimed.is_open else claimed.head


def _read_event(path: Path) -> Mapping[str, Any]:
    try:
        event = orjson.loads(_read_text(path))
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(event, dict):
        raise UserError(f"{path}: a stream event is a JSON object with a list `Records`")
    return event


def _explanation_as_dict(explanation: Explanation) -> dict[str, Any]:
    names = ("number", "table", "operation", "position", "outcome", "why")
    writes = [
        {
            "alias": action.alias,
            "id": action.id,
            "version": action.version,
            "kind": describe_write(action),
            "document": None if action.source is None else orjson.Fragment(action.source),
        }
        for action in explanation.writes
    ]
    return {name: getattr(explanation, name) for name in names} | {"writes": writes}


def _print_explanation(explanation: Explanation) -> None:
    what = f"{explanation.operation} in {explanation.table}" if explanation.table else "not a change record"
    position = f", sequence number {explanation.position}" if explanation.position else ""
    click.echo(f"record {explanation.number}: {what}{position}")
    click.echo(f"  {explanation.outcome}: {explanation.why}")
    for action in explanation.writes:
        click.echo(f"  {describe_write(action)} {action.id} in {action.alias}, version {action.version}")


def _report_rendered(paths: list[Path], changed: list[Path], is_check: bool, as_json: bool) -> None:
    if as_json:
        print_json({"files": [{"path": str(path), "changed": path in changed} for path in paths], "check": is_check})
        return
    for path in paths:
        if path not in changed:
            click.echo(f"{path}: up to date")
        else:
            click.echo(f"{path}: {'differs; run `tailrace tables render`' if is_check else 'written'}")


def _guess_service(url: str) -> str:
    return "none" if urlsplit(url).hostname in LOOPBACK else "es"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
