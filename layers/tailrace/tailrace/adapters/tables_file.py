"""The tables file: tables.yaml on a developer's machine, its compiled JSON in Lambda.

Invariant: whatever is wrong with the file ends as one UserError that names the file, and its line if known.
"""

import re
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from tailrace.errors import UserError
from tailrace.tables import Tables, TablesError, load_tables

# Kind, pattern, first characters. A number with leading zeros stays text, as a postal code should.
_CORE_SCHEMA = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
)

_TWICE = "a key stands twice"


def read_tables(path: str | Path) -> Tables:
    """The specs in a `.json`, `.yaml` or `.yml` file. Raises UserError, or TablesError with every mistake's path."""
    document = read_document(path)
    try:
        return load_tables(document)
    except TablesError as error:
        raise TablesError(list(error.mistakes), str(path)) from error


def read_document(path: str | Path) -> object:
    """The parsed file, not yet checked. YAML is read as YAML 1.2: `NO` is text, dates and 007 are text.

    Raises UserError when the file is missing, unreadable, not YAML or JSON, or holds a key twice.
    """
    file = Path(path)
    parse = {".json": _parse_json, ".yaml": _parse_yaml, ".yml": _parse_yaml}.get(file.suffix)
    if parse is None:
        raise UserError(f"{path}: a tables file ends in .yaml, .yml or .json")
    try:
        return parse(file.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _parse_json(text: str, path: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error


def _parse_yaml(text: str, path: str) -> object:
    try:
        import yaml  # not in the layer: Lambda reads the compiled JSON
    except ImportError as error:
        raise UserError(f"{path}: reading YAML needs PyYAML; in Lambda use the compiled tables.json") from error
    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - the loader descends from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = "" if error.context == _TWICE else "not YAML: "
        raise UserError(f"{path}:{mark.line + 1 if mark else 1}: {what}{error.problem}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error


@lru_cache(maxsize=1)
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML 1.2's core schema, and no key twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            _refuse_twice(node, self)
            return super().construct_mapping(node, deep)

    Loader.yaml_implicit_resolvers = {}
    for kind, pattern, first in _CORE_SCHEMA:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(rf"(?:{pattern})\Z"), first)
    return Loader


def _refuse_twice(node: Any, loader: Any) -> None:
    """Refuse a key that stands twice in one mapping: YAML parsers keep the last, and the first is lost in silence."""
    from yaml.constructor import ConstructorError

    lines: dict[Any, int] = {}
    for key_node, _value in node.value:
        key = None if key_node.tag.endswith(":merge") else loader.construct_object(key_node, deep=True)
        if key is None or not isinstance(key, Hashable):
            continue
        if key in lines:
            problem = f'the key "{key}" stands twice (first in line {lines[key]})'
            raise ConstructorError(_TWICE, None, problem, key_node.start_mark)
        lines[key] = key_node.start_mark.line + 1
