"""Where an OpenSearch server's program files stand: one read-only folder per server, shared by all instances.

Invariant: a home was made of files whose SHA-256 is the one held in `server_recipes.json`, and is there whole or not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tailrace_local.downloads import MavenArtifact, ensure_made, fetch_artifact, fetch_checked, unpack
from tailrace_local.engine_flags import WANTED_MODULES
from tailrace_local.locks import exclusive_lock
from tailrace_local.paths import state_directory
from tailrace_local.server_assembly import add_module, add_plugin
from tailrace_local.server_recipes import SECURITY_PLUGIN, PluginRecipe, ServerRecipe, read_recipe
from tailrace_local.toolenvs import Notify, say_nothing

FETCHES_AT_ONCE = 4


def ensure_server_home(
    version: str,
    environ: Mapping[str, str] | None = None,
    notify: Notify = say_nothing,
    *,
    with_security: bool = False,
) -> Path:
    """The program files of a version, with the security plugin if asked for; fetched, checked, assembled on first use.

    Raises `UserError` where the version is unknown or has no such plugin, or a file cannot be had or is damaged.
    """
    variables = os.environ if environ is None else environ
    recipe = read_recipe(version)
    plugins = [recipe.plugin(SECURITY_PLUGIN)] if with_security else []
    state = state_directory(variables)

    def make(folder: Path) -> Path:
        megabytes = recipe.megabytes + sum(plugin.megabytes for plugin in plugins)
        notify(f"Fetching OpenSearch {version} (once, {megabytes} MB)")
        wanted = [recipe.server, *recipe.jars, *(plugin.archive for plugin in plugins)]
        return assemble(recipe, plugins, fetch_all(wanted, state / "maven", variables), folder)

    return ensure_made(state / "engines" / home_name(recipe, plugins), make)


def home_name(recipe: ServerRecipe, plugins: Sequence[PluginRecipe]) -> str:
    """The folder of a home. One that was put together carries its recipe's fingerprint: a new recipe is a new home."""
    parts = [f"opensearch-{recipe.version}", *(plugin.name.removeprefix("opensearch-") for plugin in plugins)]
    return "-".join([*parts, recipe.fingerprint] if recipe.modules or plugins else parts)


def fetch_all(artifacts: list[MavenArtifact], cache: Path, environ: Mapping[str, str]) -> Mapping[MavenArtifact, Path]:
    """The checked file of every artefact. Raises `UserError` where one cannot be had, or is damaged."""

    def fetch(artifact: MavenArtifact) -> Path:
        return fetch_checked(lambda: fetch_artifact(artifact, cache, environ), artifact.sha256)

    # The lock is for two homes that share files: what one process writes, another must not find half and remove.
    with exclusive_lock(cache / ".lock"), ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        return dict(zip(artifacts, pool.map(fetch, artifacts), strict=True))


def assemble(
    recipe: ServerRecipe,
    plugins: Sequence[PluginRecipe],
    files: Mapping[MavenArtifact, Path],
    folder: Path,
) -> Path:
    """Makes the home below the empty `folder`, and answers its path."""
    home = unpack(files[recipe.server], folder, is_wanted)
    for module in recipe.modules:
        add_module(home, module, recipe.version, files)
    for plugin in plugins:
        add_plugin(home, plugin.name, files[plugin.archive])
    return home


def is_wanted(member: str) -> bool:
    """Whether a member of the archive, named below its top folder, is unpacked: all but the unwanted modules."""
    folder, _, rest = member.partition("/")
    return folder != "modules" or not rest or rest.partition("/")[0] in WANTED_MODULES
