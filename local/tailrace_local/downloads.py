"""Big files from a Maven repository: fetched once, checked against a pinned digest, unpacked in one step.

Invariant: nothing is unpacked whose SHA-256 is not the pinned one, and no folder is ever seen half unpacked.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tailrace.errors import UserError
from tailrace_local.locks import exclusive_lock

READ_BLOCK_BYTES = 1 << 20
CONNECT_TIMEOUT_SECONDS = 30
FETCH_ATTEMPTS = 2

Fetch = Callable[[], Path]
Wanted = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class MavenArtifact:
    """A file of a Maven repository and the SHA-256 (hex) that it must have."""

    group: str
    name: str
    version: str
    packaging: str
    sha256: str

    def __str__(self) -> str:
        """Its coordinates: `group:name:version:packaging`."""
        return f"{self.group}:{self.name}:{self.version}:{self.packaging}"


def fetch_artifact(artifact: MavenArtifact, cache: Path, environ: Mapping[str, str] | None = None) -> Path:
    """The artefact's file below `cache`, fetched if it is not there; not checked yet.

    The repository is `TAILRACE_MAVEN_URL`, else Maven Central. Raises `UserError` where it cannot be had.
    """
    # Imported late: jgo and requests cost 0.2 s, and a warm start needs neither.
    from jgo.maven import MavenContext
    from requests import RequestException

    repository = (os.environ if environ is None else environ).get("TAILRACE_MAVEN_URL", "")
    context = MavenContext(
        repo_cache=cache,
        remote_repos={"tailrace": repository} if repository else None,
        timeout=CONNECT_TIMEOUT_SECONDS,
    )
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    try:
        return Path(component.artifact(packaging=artifact.packaging).resolve())
    except (RequestException, RuntimeError) as error:
        raise UserError(_cannot_fetch(artifact, repository)) from error
    except OSError as error:
        raise UserError(f"cannot store {artifact} below {cache}: {error.strerror}") from error


def _cannot_fetch(artifact: MavenArtifact, repository: str) -> str:
    url = urlsplit(repository)
    where = f"{url.scheme}://{url.netloc.rpartition('@')[2]}" if repository else "Maven Central"
    return f"cannot fetch {artifact} from {where}: check the network or TAILRACE_MAVEN_URL; nothing of it is cached"


def fetch_checked(fetch: Fetch, sha256: str) -> Path:
    """A fetched file whose SHA-256 is the pinned one. A damaged file is removed and fetched once more.

    Raises `UserError` where it is damaged again.
    """
    for _ in range(FETCH_ATTEMPTS):
        path = fetch()
        if sha256_of(path) == sha256:
            return path
        path.unlink()
    raise UserError(
        f"{path.name} arrived damaged {FETCH_ATTEMPTS} times (its SHA-256 is not the pinned {sha256[:12]}…): "
        "try again later, or check what stands between this machine and the repository"
    )


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file of any size."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def ensure_made(directory: Path, make: Callable[[Path], Path]) -> Path:
    """`directory`, made unless it is there already: `make` fills an empty folder and answers what becomes `directory`.

    Two processes may call this at once; one works, the other waits. An attempt that fails leaves nothing behind.
    """
    if directory.is_dir():
        return directory
    with exclusive_lock(directory.with_name(f"{directory.name}.lock")):
        if not directory.is_dir():
            _sweep(directory)
            with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as folder:
                make(Path(folder)).rename(directory)
    return directory


def _sweep(directory: Path) -> None:
    # Whoever was killed half-way held the lock that is held now, so its folder is nobody's.
    for leftover in directory.parent.glob(f".{directory.name}-????????"):
        shutil.rmtree(leftover, ignore_errors=True)


def unpack(archive: Path, folder: Path, wanted: Wanted = lambda _: True) -> Path:
    """Unpacks a ZIP file into the empty `folder`; answers the archive's single top folder there.

    `wanted` tells, by a member's name below that top folder, whether to unpack it.
    """
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            if wanted(member.filename.partition("/")[2]):
                members.extract(member, folder)
    (top,) = folder.iterdir()
    return top
