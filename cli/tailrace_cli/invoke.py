"""`tailrace invoke`: one event through the real runtime client, as Lambda would deliver it.

Invariant: standard output holds the function's answer alone; what the function printed goes to standard error.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import orjson

from tailrace.errors import UserError
from tailrace_cli.console_output import json_option, print_json
from tailrace_cli.local import template_option
from tailrace_cli.main import EXIT_FAILED
from tailrace_local.cloud import LaptopCloud
from tailrace_local.cloud_control import ask
from tailrace_local.cloud_reports import find_function
from tailrace_local.cloud_reports import invoke as invoke_in
from tailrace_local.cloud_state import CloudState, read_state
from tailrace_local.paths import state_directory


@click.command()
@click.argument("function")
@click.argument("event", type=Path)
@template_option
@click.option("--built", "is_built", is_flag=True, help="Run what `sam build` made instead of the source folder.")
@json_option
def invoke(function: str, event: Path, template: Path, is_built: bool, as_json: bool) -> int:
    """Send EVENT (a JSON file) to FUNCTION (its logical id, or its folder's name).

    Uses the laptop cloud when it is up, else starts what the function needs and stops it again.
    """
    payload = _read_event(event)
    state = read_state(state_directory() / "run")
    if state is not None and _serves(state, template, is_built):
        found = ask(state, f"/invoke/{quote(function, safe='')}", payload)
    else:
        found = _invoke_alone(function, payload, template, is_built)
    _print_result(found, as_json)
    return EXIT_FAILED if found["function_error"] else 0


def _read_event(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    return content


def _serves(state: CloudState, template: Path, is_built: bool) -> bool:
    return state.template == str(template.resolve()) and state.is_built == is_built


def _invoke_alone(function: str, payload: bytes, template: Path, is_built: bool) -> dict[str, Any]:
    cloud = LaptopCloud(template, is_built=is_built, notify=lambda line: click.echo(line, err=True))
    # Before anything is started: a name that nobody has must not cost a start.
    find_function(cloud.template.functions, function)
    with cloud:
        return invoke_in(cloud, function, payload)


def _print_result(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_json(found["response"])
    if found["function_error"]:
        click.echo(found["log"].rstrip("\n"), err=True)
