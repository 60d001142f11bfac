"""A folder that holds what Lambda's own Python runtime brings along, and nothing else.

A built artefact runs on it instead of this interpreter's packages: a package that the artefact forgot is then missing
on the laptop too.

Invariant: the folder holds links to the packages of `DISTRIBUTIONS` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

# The runtime client, the AWS SDK and what these two import: the packages of the python3.13 runtime.
DISTRIBUTIONS = (
    "awslambdaric",
    "simplejson",
    "snapshot-restore-py",
    "boto3",
    "botocore",
    "jmespath",
    "python-dateutil",
    "s3transfer",
    "six",
    "urllib3",
)


def link_runtime_packages(directory: Path) -> Path:
    """Fill `directory` (made if absent) with links; answers it. What is linked already is left alone."""
    directory.mkdir(parents=True, exist_ok=True)
    for source in _top_level_entries():
        link = directory / source.name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(source)
    return directory


def _top_level_entries() -> Iterator[Path]:
    for name in DISTRIBUTIONS:
        files = distribution(name).files or []
        tops = {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}
        yield from (Path(str(distribution(name).locate_file(top))) for top in sorted(tops))
