"""The kinds of faults that the proxy knows: what each does to one exchange.

Invariant: whatever a fault answers, what the engine has done by then is what its name says: nothing for `before`, all
for `after`, the chosen actions for `items`.
"""

import time
from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple, Protocol

from chaos.bodies import (
    BUSY,
    NO_PERMISSION,
    WRITE_BLOCK,
    Item,
    bulk_answer,
    forwarded_items,
    read_pieces,
    refused_item,
)
from chaos.proxy import Answer, Exchange, pass_on
from chaos.schedules import Fault

SLOW_SECONDS = 0.35  # over the whole budget of an invocation that is in a hurry, its grace included
PAGE = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center></body></html>"
SECURITY = b'{"error":{"type":"security_exception","reason":"no permissions for the user"},"status":%d}'
NO_ANSWERS = (
    b"null",
    b"[]",
    b'"ok"',
    b"{}",
    b'{"items":null}',
    b'{"items":[%b]}',
    b'{"errors":false,"items":[%b]}',
    b'{"docs":[%b]}',
)
NO_RESULTS = (b"1", b"{}", b'{"index":{}}', b'{"index":{"status":400,"error":1}}')  # one for each action


class Machinery(Protocol):
    """What a fault may do beside the exchange itself."""

    def kill_engine(self) -> None:
        """SIGKILL, and a start in the background."""

    def note_refusals(self, origins: Iterable[str | None]) -> None:
        """Where the documents come from that were refused for good."""


Strike = Callable[[Exchange, Fault, Machinery], None]


class Kind(NamedTuple):
    """One kind of fault. Some mean something for bulk requests alone."""

    strike: Strike
    is_for_bulk: bool = False


def _page(status: int, *headers: tuple[str, str]) -> Strike:
    """What a load balancer says without asking the engine."""
    answer = Answer(status, PAGE % (status, status), "text/html", headers)
    return lambda exchange, _fault, _machinery: exchange.reply(answer)


def _page_after(status: int) -> Strike:
    def strike(exchange: Exchange, _fault: Fault, _machinery: Machinery) -> None:
        exchange.forward()
        exchange.reply(Answer(status, PAGE % (status, status), "text/html"))

    return strike


def _security(status: int) -> Strike:
    return lambda exchange, _fault, _machinery: exchange.reply(Answer(status, SECURITY % status))


def _reset_before(exchange: Exchange, _fault: Fault, _machinery: Machinery) -> None:
    exchange.reset()


def _reset_after(exchange: Exchange, _fault: Fault, _machinery: Machinery) -> None:
    exchange.forward()
    exchange.reset()


def _half_answer(exchange: Exchange, fault: Fault, _machinery: Machinery) -> None:
    answer = exchange.forward()
    exchange.reply(answer, claimed_length=len(answer.body), sent_bytes=fault.amount % max(1, len(answer.body)))


def _short_length(exchange: Exchange, fault: Fault, _machinery: Machinery) -> None:
    """All bytes are sent, and the length says fewer: the rest is garbage in front of the next answer."""
    answer = exchange.forward()
    exchange.reply(answer, claimed_length=max(0, len(answer.body) - 1 - fault.amount % 40))


def _slow_answer(exchange: Exchange, _fault: Fault, _machinery: Machinery) -> None:
    answer = exchange.forward()
    time.sleep(SLOW_SECONDS)
    exchange.reply(answer)


def _late_request(exchange: Exchange, _fault: Fault, _machinery: Machinery) -> None:
    """It reaches the engine when the client has given it up, or has sent another one."""
    time.sleep(SLOW_SECONDS)
    pass_on(exchange)


def _some_items(status: int, error: Item) -> Strike:
    """Some actions are not forwarded, and the answer says so."""

    def strike(exchange: Exchange, fault: Fault, _machinery: Machinery) -> None:
        random, pieces = Random(fault.amount), read_pieces(exchange.body)
        is_held = [random.random() < 0.6 for _ in pieces]
        passed = [piece.content for piece, held in zip(pieces, is_held, strict=True) if not held]
        answer = exchange.forward(b"".join(passed)) if passed else bulk_answer([])
        if answer.status != 200:
            exchange.reply(answer)
            return
        results = iter(forwarded_items(answer))
        items = [
            refused_item(piece.verb, status, error) if held else next(results)
            for piece, held in zip(pieces, is_held, strict=True)
        ]
        exchange.reply(bulk_answer(items))

    return strike


def _too_large(exchange: Exchange, fault: Fault, machinery: Machinery) -> None:
    """A server that takes bodies of `amount` bytes at most."""
    if len(exchange.body) <= fault.amount:
        pass_on(exchange)
        return
    pieces = read_pieces(exchange.body)
    if len(pieces) == 1:
        machinery.note_refusals([pieces[0].origin])
    exchange.reply(Answer(413, PAGE % (413, 413), "text/html"))


def _missing_item(exchange: Exchange, fault: Fault, _machinery: Machinery) -> None:
    """The engine overlooks one action, or carries it out and forgets to say so."""
    pieces = read_pieces(exchange.body)
    place = fault.amount // 2 % len(pieces)
    others = b"".join(piece.content for piece in pieces[:place] + pieces[place + 1 :])
    answer = exchange.forward(others) if fault.amount % 2 and others else exchange.forward()
    if answer.status == 200:
        items = forwarded_items(answer)
        if len(items) == len(pieces):
            del items[place]
        answer = bulk_answer(items)
    exchange.reply(answer)


def _no_json(exchange: Exchange, _fault: Fault, _machinery: Machinery) -> None:
    exchange.forward()
    exchange.reply(Answer(200, PAGE % (200, 200), "text/html"))


def _no_object(exchange: Exchange, fault: Fault, _machinery: Machinery) -> None:
    """JSON, but not what was promised: as a whole, or in the result of each action."""
    exchange.forward()
    answer = NO_ANSWERS[fault.amount % len(NO_ANSWERS)]
    if b"%b" in answer:
        count = len(read_pieces(exchange.body)) if exchange.is_bulk else 1
        answer %= b",".join([NO_RESULTS[fault.amount // len(NO_ANSWERS) % len(NO_RESULTS)]] * count)
    exchange.reply(Answer(200, answer))


def _as_it_is(exchange: Exchange, _fault: Fault, _machinery: Machinery) -> None:
    """The engine itself does what the fault is about."""
    pass_on(exchange)


def _engine_killed(exchange: Exchange, fault: Fault, machinery: Machinery) -> None:
    """Killed before the request reaches it, or after it was applied and before it is answered."""
    if fault.amount % 2:
        exchange.forward()
    machinery.kill_engine()
    exchange.reset()


BLOCKS = {"write block": "write", "full disk block": "read_only_allow_delete"}
KINDS: dict[str, Kind] = {
    "429": Kind(_page(429)),
    "429 with Retry-After": Kind(_page(429, ("Retry-After", "1"))),
    "429 on items": Kind(_some_items(429, BUSY), is_for_bulk=True),
    "502": Kind(_page(502)),
    "503": Kind(_page(503)),
    "504": Kind(_page(504)),
    "504 after": Kind(_page_after(504)),
    "reset before": Kind(_reset_before),
    "reset after": Kind(_reset_after),
    "half answer": Kind(_half_answer),
    "short length": Kind(_short_length),
    "slow answer": Kind(_slow_answer),
    "late request": Kind(_late_request),
    "413": Kind(_too_large, is_for_bulk=True),
    "401": Kind(_security(401)),
    "403": Kind(_security(403)),
    "403 on items": Kind(_some_items(403, NO_PERMISSION), is_for_bulk=True),
    "block on items": Kind(_some_items(403, WRITE_BLOCK), is_for_bulk=True),
    "write block": Kind(_as_it_is, is_for_bulk=True),
    "full disk block": Kind(_as_it_is, is_for_bulk=True),
    "engine killed": Kind(_engine_killed),
    "missing item": Kind(_missing_item, is_for_bulk=True),
    "no JSON": Kind(_no_json),
    "no object": Kind(_no_object),
}
