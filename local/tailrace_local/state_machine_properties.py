"""The properties of `AWS::Serverless::StateMachine`, checked, and its definition with every substitution made.

Invariant: a definition names nothing that is not substituted, so that it runs as it would be deployed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import orjson
import yaml

from tailrace_local.arns import state_machine_arn
from tailrace_local.properties import Properties

KNOWN = frozenset(
    {
        *("AutoPublishAlias", "Definition", "DefinitionSubstitutions", "DefinitionUri", "DeploymentPreference"),
        *("Events", "Logging", "Name", "PermissionsBoundary", "Policies", "PropagateTags", "Role", "RolePath"),
        *("Tags", "Tracing", "Type", "UseAliasAsEventTarget"),
    }
)
READ = ("DefinitionSubstitutions", "DefinitionUri")
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class StateMachine:
    """A state machine: its name, and its definition as JSON."""

    name: str
    definition: str

    @property
    def arn(self) -> str:
        """Its ARN on the laptop."""
        return state_machine_arn(self.name)


def read_state_machine(name: str, properties: Properties, base: Path) -> StateMachine:
    """The state machine that resolved properties declare; its file is relative to `base`.

    Raises what `properties.refuse` makes.
    """
    uri, values = properties.text("DefinitionUri"), properties.within("DefinitionSubstitutions").values
    try:
        text = (base / uri).read_text(encoding="utf-8")
    except OSError:
        raise properties.refuse("DefinitionUri", f"there is no file {uri}") from None
    if missing := set(_PLACEHOLDER.findall(text)) - set(values):
        raise properties.refuse("DefinitionSubstitutions", f"{uri} needs {', '.join(sorted(missing))}")
    if unused := set(values) - set(_PLACEHOLDER.findall(text)):
        raise properties.refuse("DefinitionSubstitutions", f"{uri} knows no {', '.join(sorted(unused))}")
    try:
        definition = yaml.safe_load(_PLACEHOLDER.sub(lambda found: str(values[found[1]]), text))
    except yaml.YAMLError:
        raise properties.refuse("DefinitionUri", f"{uri} is neither JSON nor YAML") from None
    return StateMachine(name, orjson.dumps(definition).decode())
