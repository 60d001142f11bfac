"""An engine that somebody else runs, named by `TAILRACE_OPENSEARCH_URL`.

Invariant: it is only ever asked; nothing here starts, stops or changes it.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from base64 import b64encode
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from tailrace.errors import UserError

ANSWER_TIMEOUT_SECONDS = 10.0
ADVICE = "correct TAILRACE_OPENSEARCH_URL, or unset it to let Tailrace start its own"


class ExternalEngine:
    """The engine at `url`; a context manager like `Engine`, so that either can stand in the other's place."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def start(self) -> None:
        """Checks that it answers with success. Raises `UserError` where it does not."""
        shown = without_credentials(self.url)
        try:
            with urllib.request.urlopen(_build_request(self.url), timeout=ANSWER_TIMEOUT_SECONDS):
                return
        except urllib.error.HTTPError as error:
            error.close()
            raise UserError(f"OpenSearch at {shown} answers with status {error.code}: {ADVICE}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UserError(f"OpenSearch at {shown} cannot be reached ({reason}): {ADVICE}") from None

    def stop(self) -> None:
        """Leaves it as it is."""

    def close(self) -> None:
        """Leaves it as it is."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _build_request(url: str) -> urllib.request.Request:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("it is no http:// or https:// URL")
    request = urllib.request.Request(without_credentials(url))
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {b64encode(secret.encode()).decode()}")
    return request


def without_credentials(url: str) -> str:
    """The URL as it may be shown: without the user name and password that it may carry, and without a query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
