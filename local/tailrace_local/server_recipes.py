"""What each OpenSearch server is made of, as pinned in `server_recipes.json`.

From 3.5 on one ZIP file is the whole server. The ZIP file of 2.19.4 has the transport module alone; its other modules
are JAR files of the same repository, each with the libraries that it stands on and the server does not bring.

Invariant: nothing has a part whose SHA-256 is not held in that file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailrace.errors import UserError
from tailrace_local.downloads import MavenArtifact

RECIPES = Path(__file__).with_name("server_recipes.json")
"""The repository publishes no digest for 3.5.0 and 3.7.0: each SHA-256 was computed from a download."""

SECURITY_PLUGIN = "opensearch-security"


@dataclass(frozen=True, slots=True)
class ModuleRecipe:
    """A module: its class, the modules it extends, the Java permissions it asks for, and its JAR files."""

    name: str
    class_name: str
    extends: tuple[str, ...]
    policy: tuple[str, ...]
    jars: tuple[MavenArtifact, ...]


@dataclass(frozen=True, slots=True)
class PluginRecipe:
    """A plugin that may be added to a server: its ZIP file, and how much that is to fetch."""

    name: str
    megabytes: int
    archive: MavenArtifact


@dataclass(frozen=True, slots=True)
class ServerRecipe:
    """A server: its ZIP file, the modules that are added to it, how much is to be fetched; and its plugins, if wanted.

    `fingerprint` tells one recipe of a version from another.
    """

    version: str
    megabytes: int
    server: MavenArtifact
    modules: tuple[ModuleRecipe, ...]
    plugins: Mapping[str, PluginRecipe]
    fingerprint: str

    @property
    def jars(self) -> tuple[MavenArtifact, ...]:
        """The JAR files of all added modules."""
        return tuple(jar for module in self.modules for jar in module.jars)

    def plugin(self, name: str) -> PluginRecipe:
        """A plugin of this version. Raises `UserError` where none is held for this version."""
        if name not in self.plugins:
            raise UserError(f"no {name} plugin is held for OpenSearch {self.version}: choose a version that has one")
        return self.plugins[name]


def read_recipe(version: str) -> ServerRecipe:
    """The recipe of a version. Raises `UserError` where none is held."""
    recipes = json.loads(RECIPES.read_text())
    if version not in recipes:
        raise UserError(f"no digest is held for OpenSearch {version}: choose one of {', '.join(sorted(recipes))}")
    wire = recipes[version]
    (server,) = _artifacts(wire["server"])
    return ServerRecipe(
        version=version,
        megabytes=wire["megabytes"],
        server=server,
        modules=tuple(_module(name, parts) for name, parts in wire["modules"].items()),
        plugins={name: _plugin(name, parts) for name, parts in wire["plugins"].items()},
        fingerprint=hashlib.sha256(json.dumps(wire).encode()).hexdigest()[:8],
    )


def _module(name: str, parts: Mapping[str, Any]) -> ModuleRecipe:
    extends, policy = tuple(parts["extends"]), tuple(parts["policy"])
    return ModuleRecipe(name, parts["class"], extends, policy, tuple(_artifacts(parts["jars"])))


def _plugin(name: str, parts: Mapping[str, Any]) -> PluginRecipe:
    (archive,) = _artifacts(parts["zip"])
    return PluginRecipe(name, parts["megabytes"], archive)


def _artifacts(digests: Mapping[str, str]) -> Iterator[MavenArtifact]:
    for coordinates, sha256 in digests.items():
        group, name, version, packaging = coordinates.split(":")
        yield MavenArtifact(group, name, version, packaging, sha256)
