"""Builds the native accelerator: `native/*.c` of the layer becomes `_native.abi3.so`, for this machine or for Lambda's.

The compiler is Zig's C compiler out of a pinned wheel, in a tool environment of its own: the machine needs neither a
compiler nor Python's headers, and builds for another processor than its own.

Invariant: where it cannot be built nothing is broken and nothing stale is left: `tailrace` runs in Python alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tailrace.errors import UserError
from tailrace_local.paths import state_directory
from tailrace_local.toolenvs import Notify, ensure_tool_environment, say_nothing, without_python_variables

LIBRARY = "_native.abi3.so"
HERE = "native"
LAMBDA_GLIBC = "2.34"  # Amazon Linux 2023, of the runtimes python3.12 and newer
OLDEST_GLIBC = "2.17"  # manylinux2014: older than any machine that runs Python 3.11
WITHOUT = "Tailrace goes on without its native accelerator, slower and to the same effect"
BUILD_TIMEOUT_SECONDS = 300.0
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
FLAGS = ("-shared", "-fPIC", "-std=c11", "-O3", "-fno-plt", "-fvisibility=hidden", "-s", "-Wall", "-Wextra", "-Werror")


def fingerprint(source: Path) -> str:
    """16 hex digits of what the library is made from; the library carries them as `FINGERPRINT`."""
    made_from = hashlib.sha256()
    for path in sorted([*source.glob("*.c"), *source.glob("*.h")]):
        made_from.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return made_from.hexdigest()[:16]


def find_target(wanted: str) -> str:
    """Zig's name for `native`, or for a platform as pip names it (`manylinux2014_aarch64`: Lambda's).

    Raises UserError where there is none.
    """
    if wanted != HERE:
        return f"{_machine(wanted, wanted.startswith('manylinux'))}-linux-gnu.{LAMBDA_GLIBC}"
    machine = _machine(platform.machine(), sys.platform in ("linux", "darwin"))
    if sys.platform == "darwin":
        return f"{machine}-macos"
    libc = f"gnu.{OLDEST_GLIBC}" if platform.libc_ver()[0] == "glibc" else "musl"
    return f"{machine}-linux-{libc}"


def _machine(name: str, is_known_system: bool) -> str:
    known = [machine for ending, machine in MACHINES.items() if name.lower().endswith(ending)]
    if not (known and is_known_system):
        raise UserError(f"it is not made for {name or 'this machine'}")
    return known[0]


def build(source: Path, output: Path, wanted: str, notify: Notify = say_nothing) -> Path:
    """Builds the library of `source` into the folder `output`. Raises UserError where that is impossible."""
    library = output / LIBRARY
    library.unlink(missing_ok=True)
    target = find_target(wanted)
    zig = ensure_tool_environment("zig", notify=notify) / "bin" / "python"
    fresh = library.with_suffix(f".{os.getpid()}")
    definition = f'-DSOURCE_FINGERPRINT="{fingerprint(source)}"'
    late_names = ["-undefined", "dynamic_lookup"] if target.endswith("macos") else []
    sources = sorted(map(str, source.glob("*.c")))
    command: list[str | Path] = [
        zig,
        "-m",
        "ziglang",
        "cc",
        "-target",
        target,
        *FLAGS,
        *late_names,
        definition,
        *sources,
        "-o",
        fresh,
    ]
    try:
        _compile(command, _environment(os.environ))
        fresh.replace(library)
    finally:
        fresh.unlink(missing_ok=True)
    return library


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    cache = str(state_directory(environ) / "zig-cache")
    own = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    return {**without_python_variables(environ), **own}


def _compile(command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    try:
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=BUILD_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"the compiler does not run ({type(error).__name__})") from error
    if result.returncode != 0:
        said = result.stderr.strip().splitlines()
        raise UserError(f"the compiler says: {said[0] if said else 'nothing'}")


def main(arguments: Sequence[str]) -> int:
    """`SOURCE OUTPUT PLATFORM …` builds for the first platform; where it cannot be, it says so and fails nothing."""
    if len(arguments) < 3:
        print("usage: python -m tailrace_local.accelerator SOURCE OUTPUT native|PLATFORM", file=sys.stderr)
        return 2
    try:
        build(Path(arguments[0]), Path(arguments[1]), arguments[2], lambda line: print(line, file=sys.stderr))
    except UserError as error:
        print(
            f"Tailrace goes on without its native accelerator, slower and to the same effect: {error}", file=sys.stderr
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
