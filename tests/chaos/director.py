"""The director of one schedule: which exchange through the proxy meets which fault, and what was seen on the way.

Invariant: after `stop` nothing goes wrong any more: no fault strikes, no index is blocked, the engine is up.
"""

import http.client
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

import requests

from chaos.bodies import read_items, read_pieces
from chaos.kinds import BLOCKS, KINDS
from chaos.proxy import Answer, Exchange
from chaos.schedules import Fault


class KillableEngine(Protocol):
    """An engine of one's own."""

    def kill(self) -> None:
        """SIGKILL."""

    def start(self) -> None:
        """Up again, on the same data and at the same port."""


class Director:
    """Interferes on behalf of one schedule. `prefix` begins the names of its indices, `url` is the engine's own."""

    def __init__(self, faults: Sequence[Fault], url: str, prefix: str, engine: KillableEngine | None = None) -> None:
        self._faults = [fault for fault in faults if fault.kind in KINDS]
        self._url, self._prefix, self._engine = url, prefix, engine
        self._lock = threading.Lock()
        self._exchanges, self._bulks = 0, 0
        self._block: str | None = None
        self._restart: threading.Thread | None = None
        self._is_stopped = False
        self.strikes: Counter[str] = Counter()
        self.refused: set[str] = set()

    def interfere(self, exchange: Exchange) -> None:
        """What becomes of one exchange."""
        watched = _Watched(exchange, self)
        try:
            with self._lock:
                faults = self._find_faults(exchange)
                self._set_block(next((BLOCKS[fault.kind] for fault in faults if fault.kind in BLOCKS), None))
                self.strikes.update(fault.kind for fault in faults[:1])
            if faults:
                KINDS[faults[0].kind].strike(watched, faults[0], self)
            else:
                exchange.reply(watched.forward())
        except (OSError, http.client.HTTPException):  # the engine is down
            exchange.reset()

    def note_refusals(self, origins: Iterable[str | None]) -> None:
        """See `kinds.Machinery`."""
        with self._lock:
            self.refused.update(origin for origin in origins if origin is not None)

    def kill_engine(self) -> None:
        """See `kinds.Machinery`."""
        with self._lock:
            if self._engine is None or self._restart is not None:
                return
            self._engine.kill()
            self._restart = threading.Thread(target=self._engine.start, name="engine start")
            self._restart.start()

    def stop(self) -> None:
        """No faults from here on."""
        with self._lock:
            self._is_stopped = True
            restart = self._restart
        if restart is not None:
            restart.join()
        with self._lock:
            self._set_block(None)

    def _find_faults(self, exchange: Exchange) -> list[Fault]:
        """Those whose time this is. Some count bulk requests, the others all requests."""
        exchanges, bulks = self._exchanges, self._bulks
        self._exchanges += 1
        self._bulks += exchange.is_bulk
        if self._is_stopped:
            return []
        found = []
        for fault in self._faults:
            is_for_bulk = KINDS[fault.kind].is_for_bulk
            number = bulks if is_for_bulk else exchanges
            if (exchange.is_bulk or not is_for_bulk) and fault.at <= number < fault.at + fault.span:
                found.append(fault)
        return found

    def _set_block(self, wanted: str | None) -> None:
        """At most one at a time: under a block the engine takes nothing but the end of that block."""
        if self._block is not None and self._block != wanted:
            self._put_setting(f"index.blocks.{self._block}", None)
            self._block = None
        if wanted is not None and self._block is None:
            self._block = wanted
            self._put_setting(f"index.blocks.{wanted}", True)

    def _put_setting(self, name: str, value: bool | None) -> None:
        path = f"{self._url}/{self._prefix}*/_settings?allow_no_indices=true&expand_wildcards=all"
        requests.put(path, json={name: value}, timeout=30).raise_for_status()


class _Watched(Exchange):
    """The exchange as a fault sees it: what the engine itself refuses is noted on the way."""

    def __init__(self, exchange: Exchange, director: Director) -> None:
        super().__init__(exchange._handler, exchange.body)
        self._director = director

    def forward(self, body: bytes | None = None) -> Answer:
        answer = super().forward(body)
        if self.is_bulk and b'"error"' in answer.body:
            pairs = zip(read_pieces(self.body if body is None else body), read_items(answer), strict=False)
            self._director.note_refusals(piece.origin for piece, item in pairs if item["status"] == 400)
        return answer
