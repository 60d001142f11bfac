"""How root starts a server that refuses to run as root.

Tried in order: as the user `nobody`; in a user namespace that maps root to `nobody`; with native access switched off.

Invariant: who is not root starts the server as it is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tailrace_local.engine_flags import WITHOUT_NATIVE_ACCESS
from tailrace_local.processes import succeeds

NOBODY = 65534
NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")

Probe = Callable[[Sequence[str | Path], int | None], bool]


@dataclass(frozen=True, slots=True)
class Privileges:
    """What stands before the Java executable, what is added to its flags, and the id it runs under (None: ours)."""

    prefix: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    user: int | None = None


def choose_privileges(java: Path, readable: Sequence[Path], *, user: int, probe: Probe = succeeds) -> Privileges:
    """How user id `user` starts `java` so that it can read every path of `readable`."""
    if user != 0:
        return Privileges()
    readable_by_nobody: list[str | Path] = ["sh", "-c", 'for path; do test -r "$path" || exit 1; done', "sh", *readable]
    if probe(readable_by_nobody, NOBODY) and probe([java, "-version"], NOBODY):
        return Privileges(user=NOBODY)
    if shutil.which(NAMESPACE[0]) and probe([*NAMESPACE, "true"], None):
        return Privileges(prefix=NAMESPACE)
    return Privileges(flags=WITHOUT_NATIVE_ACCESS)


def hand_over(directory: Path, user: int) -> None:
    """Gives a folder and all below it to `user`; links are not followed."""
    os.chown(directory, user, user)
    for parent, folders, files in os.walk(directory):
        for name in folders + files:
            os.chown(os.path.join(parent, name), user, user, follow_symlinks=False)
