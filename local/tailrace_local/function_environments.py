"""The environment and the command line of a function's process: what Lambda sets, and nothing of this machine's own.

Invariant: of the parent's environment only `INHERITED` reaches a function; the rest is Lambda's, or the template's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tailrace_local.arns import REGION
from tailrace_local.function_properties import Function
from tailrace_local.functions import FunctionSpec

LAYER_ROOT = "/opt/"
INHERITED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a function finds around it: the SDK endpoint (none: AWS itself), the region, the parent's environment.

    `runtime_packages` is the folder that stands for the Python packages of Lambda's runtime; with it, nothing of this
    interpreter's own packages is visible, so that what is missing in a built artefact is missed.
    """

    parent: Mapping[str, str]
    endpoint_url: str | None = None
    region: str = REGION
    runtime_packages: Path | None = None


def build_spec(function: Function, surroundings: Surroundings, logs: Path) -> FunctionSpec:
    """How to run this function in these surroundings, with its logs in a folder."""
    return FunctionSpec(
        name=function.name,
        arn=function.arn,
        command=tuple(build_command(function, surroundings)),
        directory=function.code,
        environment=partial(build_environment, function, surroundings),
        logs=logs,
        timeout_seconds=function.timeout_seconds,
        reserved_concurrency=function.reserved_concurrency,
    )


def build_command(function: Function, surroundings: Surroundings) -> list[str]:
    """The real runtime client on this function's handler."""
    isolation = [] if surroundings.runtime_packages is None else ["-S"]
    return [sys.executable, "-s", *isolation, "-m", "awslambdaric", function.handler]


def build_environment(function: Function, surroundings: Surroundings, runtime_api: str) -> dict[str, str]:
    """Lambda's variables, then the template's; `/opt/…` in a value means the function's layer."""
    inherited = {name: surroundings.parent[name] for name in INHERITED if name in surroundings.parent}
    variables = {name: locate_in_layers(value, function.layers) for name, value in function.variables.items()}
    return {**inherited, **_of_lambda(function, surroundings, runtime_api), **_of_sdk(surroundings), **variables}


def locate_in_layers(value: str, layers: Sequence[Path]) -> str:
    """`/opt/x` as the path of `x` in the layer that holds it (or in the last one); any other value as it is.

    A source layer has its package at the top, a built one below `python/`: both are looked at.
    """
    if not value.startswith(LAYER_ROOT) or not layers:
        return value
    relative = value.removeprefix(LAYER_ROOT)
    names = (relative, relative.removeprefix("python/"), f"python/{relative}")
    found = (layer / name for layer in layers for name in names if (layer / name).exists())
    return str(next(found, layers[-1] / relative))


def import_paths(function: Function, surroundings: Surroundings) -> list[Path]:
    """Where the function's imports come from, in Lambda's order: its own folder, its layers, the runtime's packages."""
    layers = [layer / "python" if (layer / "python").is_dir() else layer for layer in function.layers]
    runtime = [] if surroundings.runtime_packages is None else [surroundings.runtime_packages]
    return [function.code, *layers, *runtime]


def _of_lambda(function: Function, surroundings: Surroundings, runtime_api: str) -> dict[str, str]:
    return {
        "_HANDLER": function.handler,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "laptop",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": function.log_format,
        "AWS_LAMBDA_LOG_LEVEL": function.log_level,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "LAMBDA_TASK_ROOT": str(function.code),
        "PYTHONPATH": ":".join(map(str, import_paths(function, surroundings))),
        "TZ": ":UTC",
    }


def _of_sdk(surroundings: Surroundings) -> dict[str, str]:
    endpoint = {} if surroundings.endpoint_url is None else {"AWS_ENDPOINT_URL": surroundings.endpoint_url}
    return {
        "AWS_REGION": surroundings.region,
        "AWS_DEFAULT_REGION": surroundings.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        **endpoint,
    }
