"""How the runtime client hands over an event: as its text, where the accelerator reads it.

The client reads every event into objects before it calls a handler, and that is most of what a batch would cost. Its
class attribute `marshaller` is there for function authors to override (awslambdaric's `BaseLambdaRuntimeClient`).

Invariant: an event that the accelerator does not know at its first look comes as the client would have read it.
"""

from typing import Any

from tailrace.acceleration import NATIVE
from tailrace.raw_events import RawEvent

_JSON = "application/json"


def keep_events_raw() -> None:
    """From now on this process's handler gets stream events as RawEvent.

    Where there is no accelerator, no runtime client, or one without the attribute, nothing changes.
    """
    try:
        from awslambdaric.lambda_runtime_client import LambdaRuntimeClient
        from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller
    except ImportError:
        return
    if NATIVE is not None and isinstance(getattr(LambdaRuntimeClient, "marshaller", None), LambdaMarshaller):
        LambdaRuntimeClient.marshaller = _marshaller(LambdaMarshaller)


def _marshaller(base: Any) -> Any:
    class RawMarshaller(base):  # type: ignore[misc]  # the runtime client has no types
        """The client's own, but for events that begin like those of a stream."""

        def unmarshal_request(self, request: Any, content_type: str = _JSON) -> Any:
            """The event for the handler."""
            if content_type == _JSON and isinstance(request, bytes) and (event := RawEvent(request)).start is not None:
                return event
            return super().unmarshal_request(request, content_type)

    return RawMarshaller()
