"""Functions for tests: fixture handlers on the real runtime client."""

import os
from pathlib import Path

from tailrace_local.function_environments import Surroundings, build_command, build_environment
from tailrace_local.function_properties import Function
from tailrace_local.functions import FunctionSpec, LambdaFunction

FIXTURES = Path(__file__).parent / "contracts" / "fixtures"


def declared(handler="plain", **settings) -> Function:
    """What a template would declare for a fixture handler."""
    code = FIXTURES / "functions" / handler
    defaults = {"handler": "app.lambda_handler", "runtime": "python3.13", "timeout_seconds": 20}
    return Function(logical_id="Fixture", name="tailrace-Fixture", code=code, **{**defaults, **settings})


def running(logs: Path, function: Function, surroundings: Surroundings | None = None) -> LambdaFunction:
    """The function, ready to be invoked; to be closed."""
    around = Surroundings(parent=os.environ) if surroundings is None else surroundings
    return LambdaFunction(
        FunctionSpec(
            name=function.name,
            arn=function.arn,
            command=tuple(build_command(function, around)),
            directory=function.code,
            environment=lambda address: build_environment(function, around, address),
            logs=logs,
            timeout_seconds=function.timeout_seconds,
            reserved_concurrency=function.reserved_concurrency,
        )
    )
