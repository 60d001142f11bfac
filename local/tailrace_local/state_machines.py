"""State machines on the laptop: the emulator's Step Functions, on the functions of the laptop cloud.

Invariant: what runs is the definition of the template, and the functions are those that the event sources call.
"""

from __future__ import annotations

from collections.abc import Mapping

from tailrace_local.arns import ACCOUNT_ID
from tailrace_local.clients import Clients
from tailrace_local.function_gateway import FunctionGateway
from tailrace_local.functions import LambdaFunction
from tailrace_local.state_machine_properties import StateMachine

ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/laptop"  # nobody assumes it: the emulator asks for one


class StateMachines:
    """The template's state machines in the emulator, from `start()` to `close()`; none of them costs nothing."""

    def __init__(self, machines: Mapping[str, StateMachine], functions: Mapping[str, LambdaFunction]) -> None:
        self._machines = machines
        self._gateway = FunctionGateway(functions) if machines else None

    def start(self, clients: Clients) -> None:
        """Create them, and the functions that they call. Raises botocore's errors for a definition that is wrong."""
        if self._gateway is None:
            return
        self._gateway.start()
        self._gateway.create_functions(clients.functions, ROLE)
        for machine in self._machines.values():
            clients.state_machines.create_state_machine(
                name=machine.name, definition=machine.definition, roleArn=ROLE, type="STANDARD"
            )

    def close(self) -> None:
        """Hand nothing over to a function any more."""
        if self._gateway is not None:
            self._gateway.close()
