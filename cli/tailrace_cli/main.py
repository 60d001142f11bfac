"""The command `tailrace`: finds the subcommand, and turns what goes wrong into one sentence and an exit status.

Invariant: exit 0 done, 1 differences or failures found, 2 the user's mistake, 130 interrupted; a traceback means a bug.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

import click

from tailrace import __version__
from tailrace.errors import TailraceError, UserError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count


class LazyCommand(NamedTuple):
    """Where a subcommand lives (`module:attribute`), and its line in `--help`, so that help imports nothing."""

    target: str
    summary: str


COMMANDS: Mapping[str, LazyCommand] = {
    "demo": LazyCommand("tailrace_cli.demo:demo", "The main job end to end on this machine."),
    "local": LazyCommand("tailrace_cli.local:local", "The laptop cloud: up, down, status."),
    "invoke": LazyCommand("tailrace_cli.invoke:invoke", "Send one event through the real runtime client."),
    "verify": LazyCommand("tailrace_cli.verify:verify", "Prove that an index equals its table, or repair it."),
    "reindex": LazyCommand("tailrace_cli.reindex:reindex", "Build new indices beside the searched ones, and swap."),
    "replay": LazyCommand("tailrace_cli.replay:replay", "Send dead letters and parked batches to the index again."),
    "tables": LazyCommand("tailrace_cli.tables:tables", "Check, explain, render and apply tables.yaml."),
}


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is called, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The subcommands in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand's own click command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands, from `COMMANDS` alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in COMMANDS.items()])


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="tailrace")
def tailrace() -> None:
    """DynamoDB table changes become typed OpenSearch indices that provably equal their tables."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; `arguments` default to the process's own."""
    try:
        result = tailrace.main(args=arguments, prog_name="tailrace", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except UserError as error:
        return _fail(str(error), EXIT_USAGE)
    except TailraceError as error:
        return _fail(str(error), EXIT_FAILED)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", EXIT_INTERRUPTED)
    return result if isinstance(result, int) else 0


def _fail(sentence: str, status: int) -> int:
    click.echo(f"Error: {sentence}" if status != EXIT_INTERRUPTED else "Interrupted.", err=True)
    return status
