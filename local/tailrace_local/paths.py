"""Where the laptop cloud keeps its things, so that one folder holds all of them and removing it undoes all of them.

Invariant: nothing outside `state_directory()` is ever written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def project_root() -> Path:
    """The checkout that this package runs from: the folder with `template.yaml` and `requirements/`."""
    return Path(__file__).resolve().parents[2]


def requirements_directory() -> Path:
    """The folder of the pinned and hashed requirement files."""
    return project_root() / "requirements"


def state_directory(environ: Mapping[str, str] | None = None) -> Path:
    """`TAILRACE_HOME`, or `.tailrace` in the checkout. Absolute; not created here."""
    home = (os.environ if environ is None else environ).get("TAILRACE_HOME", "")
    return Path(home).expanduser().resolve() if home else project_root() / ".tailrace"
