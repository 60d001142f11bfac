"""Where an OpenSearch server's program files stand: one read-only folder per version, shared by all instances.

Invariant: a home was unpacked from a ZIP file whose SHA-256 is the one held here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tailrace.errors import UserError
from tailrace_local.downloads import MavenArtifact, ensure_unpacked, fetch_artifact, fetch_checked
from tailrace_local.engine_flags import WANTED_MODULES
from tailrace_local.paths import state_directory
from tailrace_local.toolenvs import Notify, say_nothing

SERVER_SHA256: Mapping[str, str] = MappingProxyType(
    {
        "3.5.0": "b676ad392c95a94d8d2bd8785b8b922c7811536daf6a9ec0c7277a34bd8a17a9",
        "3.7.0": "c5c8eb3828a2aead77e9d3bb9d280f54c4de190b0b67f0e412c38663627f1b06",
    }
)
"""The repository publishes no digest for these: each was computed from a download. 160 MB each."""


def ensure_server_home(version: str, environ: Mapping[str, str] | None = None, notify: Notify = say_nothing) -> Path:
    """The unpacked server of a version, fetched and checked if it is not there.

    Raises `UserError` where the version is unknown, or the file cannot be had or is damaged.
    """
    variables = os.environ if environ is None else environ
    artifact = server_artifact(version)
    state = state_directory(variables)

    def get_archive() -> Path:
        notify(f"Fetching OpenSearch {version} (once, 160 MB)")
        return fetch_checked(lambda: fetch_artifact(artifact, state / "maven", variables), artifact.sha256)

    return ensure_unpacked(get_archive, state / "engines" / f"opensearch-{version}", is_wanted)


def server_artifact(version: str) -> MavenArtifact:
    """The coordinates and digest of a version. Raises `UserError` where it is none of `SERVER_SHA256`."""
    sha256 = SERVER_SHA256.get(version)
    if sha256 is None:
        known = ", ".join(SERVER_SHA256)
        raise UserError(f"no digest is held for OpenSearch {version}: choose one of {known}")
    return MavenArtifact("org.opensearch.distribution.integ-test-zip", "opensearch", version, "zip", sha256)


def is_wanted(member: str) -> bool:
    """Whether a member of the archive, named below its top folder, is unpacked: all but the unwanted modules."""
    folder, _, rest = member.partition("/")
    return folder != "modules" or not rest or rest.partition("/")[0] in WANTED_MODULES
