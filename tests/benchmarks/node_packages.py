"""The npm package among the contestants, installed by its lock file into the folder of tools.

Invariant: nothing is installed but what `peers/npm/package-lock.json` names by version and digest, and no script of a
package is run. Node.js is not needed by Tailrace: without it this contestant is left out, and one sentence says why.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tailrace_local.locks import exclusive_lock
from tailrace_local.paths import state_directory

SOURCE = Path(__file__).parent / "peers" / "npm"
FILES = ("package.json", "package-lock.json")
MARKER = "complete"
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
TIMEOUT_SECONDS = 240  # a registry that is not there is given up sooner by npm itself


class NoNodeError(Exception):
    """The contestant cannot run here; the message is the sentence that says why."""


def ensure_node_packages() -> Path:
    """The folder `node_modules`, made now if it is not there. Raises `NoNodeError`."""
    missing = [command for command in ("node", "npm") if shutil.which(command) is None]
    if missing:
        raise NoNodeError(f"dynamodb-stream-elasticsearch is left out: {missing[0]} is not on this machine.")
    folder = state_directory() / "tools" / "npm-contestant" / _fingerprint()
    with exclusive_lock(folder.with_suffix(".lock")):
        if not (folder / MARKER).exists():
            _install(folder)
    return folder / "node_modules"


def node_version() -> str:
    """Such as `v20.20.2`; empty where there is none."""
    node = shutil.which("node")
    return "" if node is None else subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()


def _fingerprint() -> str:
    return hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in FILES)).hexdigest()[:12]


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copy(SOURCE / name, folder)
    try:
        run = subprocess.run(INSTALL, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise NoNodeError("dynamodb-stream-elasticsearch is left out: npm did not come to an end.") from None
    if run.returncode != 0:
        reason = next(iter(run.stderr.strip().splitlines()), "npm gave no reason")
        raise NoNodeError(f"dynamodb-stream-elasticsearch is left out: npm cannot install it ({reason}).")
    (folder / MARKER).touch()
