"""A server put together from its ZIP file and the JAR files of its modules, for versions whose ZIP file lacks them.

Invariant: what is added to goes by a name that nobody looks for; the caller gives it its own when all is there.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tailrace_local.downloads import MavenArtifact
from tailrace_local.server_recipes import ModuleRecipe

OWN_DESCRIPTOR = Path("modules/transport-netty4/plugin-descriptor.properties")
DESCRIPTOR = """\
name={name}
description=assembled
classname={class_name}
version={version}
opensearch.version={version}
java.version={java}
extended.plugins={extends}
has.native.controller=false
"""


def add_module(home: Path, module: ModuleRecipe, version: str, jars: Mapping[MavenArtifact, Path]) -> None:
    """Makes `modules/<name>` of a home: JAR files, descriptor, and a policy where the module asks for permissions."""
    folder = home / "modules" / module.name
    folder.mkdir()
    for jar in module.jars:
        shutil.copyfile(jars[jar], folder / jars[jar].name)
    descriptor = DESCRIPTOR.format(
        name=module.name,
        class_name=module.class_name,
        version=version,
        java=_java_version(home),
        extends=",".join(module.extends),
    )
    (folder / "plugin-descriptor.properties").write_text(descriptor)
    if module.policy:
        (folder / "plugin-security.policy").write_text(_policy(module))


def add_plugin(home: Path, name: str, archive: Path) -> None:
    """Unpacks a plugin's ZIP file into `plugins/<name>` of a home."""
    with zipfile.ZipFile(archive) as members:
        members.extractall(home / "plugins" / name)


def _java_version(home: Path) -> str:
    found = re.search(r"^java\.version=(\S+)$", (home / OWN_DESCRIPTOR).read_text(), flags=re.MULTILINE)
    if found is None:
        raise ValueError(f"{home / OWN_DESCRIPTOR} names no java.version")
    return found[1]


def _policy(module: ModuleRecipe) -> str:
    permissions = "".join(f'  permission java.lang.RuntimePermission "{name}";\n' for name in module.policy)
    return f"grant {{\n{permissions}}};\n"
