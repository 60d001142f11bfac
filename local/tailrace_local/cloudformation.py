"""CloudFormation templates as values: the YAML short forms, parameters, conditions and intrinsic functions.

Only what is asked for is resolved, so a template may hold much that a laptop does not know.

Invariant: `resolve` yields plain JSON values with no intrinsic function left in them, or a `UserError` that names the
place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

from tailrace.errors import UserError

_NO_VALUE = object()
_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]*)\}")


class TemplateError(UserError):
    """A template that cannot be deployed as it is; the message names file, place and remedy."""


class _Loader(yaml.SafeLoader):
    pass


def _construct_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def _construct_text(_: _Loader, node: yaml.Node) -> str:
    return str(node.value)


_Loader.add_multi_constructor("!", _construct_tag)
# CloudFormation keeps dates as text ("2010-09-09"), SafeLoader would make them dates.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _construct_text)


def load_document(path: Path) -> dict[str, Any]:
    """The template as YAML (or JSON) gives it, short forms expanded to their long ones. Raises `TemplateError`."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # it is a SafeLoader
    except OSError as error:
        raise TemplateError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path}: is not YAML ({_place(error)})") from None
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError(f"{path}: has no Resources, so it is not a template")
    return document


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "unreadable"
    return str(problem) if mark is None else f"line {mark.line + 1}: {problem}"


@dataclass(slots=True)
class Resolver:
    """Resolves values of one template.

    `known` answers `Ref` and `Fn::GetAtt` of resources by (logical id, attribute or None), None where it cannot.
    """

    document: Mapping[str, Any]
    name: str
    parameters: Mapping[str, Any]
    known: Callable[[str, str | None], str | None]
    _asked: set[str] = field(default_factory=set)

    def resolve(self, value: Any, place: str) -> Any:
        """The plain value; entries that are `AWS::NoValue` are left out. `place` is named in errors."""
        resolved = self._resolve(value, place)
        return None if resolved is _NO_VALUE else resolved

    def holds(self, condition: str, place: str) -> bool:
        """Whether the named condition is true."""
        conditions = self.document.get("Conditions") or {}
        if condition not in conditions:
            raise self.error(place, f"there is no condition {condition}")
        if condition in self._asked:
            raise self.error(place, f"the condition {condition} depends on itself")
        self._asked.add(condition)
        try:
            return bool(self._resolve(conditions[condition], f"Conditions.{condition}"))
        finally:
            self._asked.discard(condition)

    def error(self, place: str, problem: str) -> TemplateError:
        """An error of this template."""
        return TemplateError(f"{self.name}: {place}: {problem}")

    def _resolve(self, value: Any, place: str) -> Any:
        if isinstance(value, dict):
            return self._resolve_mapping(value, place)
        if isinstance(value, list):
            items = [self._resolve(item, f"{place}[{index}]") for index, item in enumerate(value)]
            return [item for item in items if item is not _NO_VALUE]
        return value

    def _resolve_mapping(self, value: dict[str, Any], place: str) -> Any:
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in self._FUNCTIONS:
                return self._FUNCTIONS[name](self, argument, place)
            if str(name).startswith("Fn::"):
                raise self.error(place, f"{name} is not known here")
        items = {key: self._resolve(item, f"{place}.{key}") for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not _NO_VALUE}

    def _ref(self, name: Any, place: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self.parameters:
            return self.parameters[name]
        if name in (self.document.get("Parameters") or {}):
            raise self.error(f"Parameters.{name}", "it has no Default, so it needs a value")
        return self._of_resource(name, None, place)

    def _of_resource(self, logical_id: Any, attribute: str | None, place: str) -> str:
        found = self.known(logical_id, attribute) if isinstance(logical_id, str) else None
        if found is None:
            what = logical_id if attribute is None else f"{logical_id}.{attribute}"
            raise self.error(place, f"it refers to {what}, which the template does not declare")
        return found

    def _get_att(self, argument: Any, place: str) -> str:
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        if not isinstance(parts, list) or len(parts) != 2:
            raise self.error(place, "GetAtt takes a resource and an attribute")
        return self._of_resource(parts[0], str(parts[1]), place)

    def _sub(self, argument: Any, place: str) -> str:
        text, own = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
        if not isinstance(text, str) or not isinstance(own, dict):
            raise self.error(place, "Sub takes a text, or a text and a map of variables")

        def replace(match: re.Match[str]) -> str:
            if match[1]:
                return "${" + match[2] + "}"
            name = match[2].strip()
            if name in own:
                return str(self._resolve(own[name], place))
            return str(self._get_att(name, place) if "." in name else self._ref(name, place))

        return _PLACEHOLDER.sub(replace, text)

    def _list(self, argument: Any, place: str, name: str, length: int) -> list[Any]:
        if not isinstance(argument, list) or len(argument) != length:
            raise self.error(place, f"{name} takes a list of {length}")
        return argument

    def _if(self, argument: Any, place: str) -> Any:
        condition, then, otherwise = self._list(argument, place, "If", 3)
        return self._resolve(then if self.holds(condition, place) else otherwise, place)

    def _equals(self, argument: Any, place: str) -> bool:
        left, right = self._list(argument, place, "Equals", 2)
        return _as_text(self._resolve(left, place)) == _as_text(self._resolve(right, place))

    def _join(self, argument: Any, place: str) -> str:
        separator, parts = self._list(argument, place, "Join", 2)
        return str(separator).join(map(str, self._resolve(parts, place)))

    def _select(self, argument: Any, place: str) -> Any:
        index, items = self._list(argument, place, "Select", 2)
        values = self._resolve(items, place)
        if not isinstance(values, list) or not 0 <= int(index) < len(values):
            raise self.error(place, f"Select finds no element {index}")
        return values[int(index)]

    def _split(self, argument: Any, place: str) -> list[str]:
        separator, text = self._list(argument, place, "Split", 2)
        return str(self._resolve(text, place)).split(str(separator))

    def _find_in_map(self, argument: Any, place: str) -> Any:
        names = [self._resolve(part, place) for part in self._list(argument, place, "FindInMap", 3)]
        found: Any = self.document.get("Mappings") or {}
        for name in names:
            if not isinstance(found, dict) or name not in found:
                raise self.error(place, f"FindInMap finds nothing at {'.'.join(map(str, names))}")
            found = found[name]
        return found

    def _every(self, argument: Any, place: str) -> list[bool]:
        if not isinstance(argument, list) or not argument:
            raise self.error(place, "And, Or and Not take a list of conditions")
        return [bool(self._resolve(part, place)) for part in argument]

    def _and(self, argument: Any, place: str) -> bool:
        return all(self._every(argument, place))

    def _or(self, argument: Any, place: str) -> bool:
        return any(self._every(argument, place))

    def _not(self, argument: Any, place: str) -> bool:
        return not all(self._every(argument, place))

    def _condition(self, argument: Any, place: str) -> bool:
        return self.holds(str(argument), place)

    _FUNCTIONS: ClassVar[Mapping[str, Callable[[Resolver, Any, str], Any]]] = {
        "Ref": _ref,
        "Condition": _condition,
        "Fn::GetAtt": _get_att,
        "Fn::Sub": _sub,
        "Fn::If": _if,
        "Fn::Equals": _equals,
        "Fn::Join": _join,
        "Fn::Select": _select,
        "Fn::Split": _split,
        "Fn::FindInMap": _find_in_map,
        "Fn::And": _and,
        "Fn::Or": _or,
        "Fn::Not": _not,
    }


def _as_text(value: Any) -> str:
    # CloudFormation compares what it reads as texts: true, "true" and True are one.
    return str(value).lower() if isinstance(value, bool) else str(value)
