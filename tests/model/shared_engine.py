"""One engine for many histories at once: what all of them ask at a moment goes in one request.

Invariant: each history sees its own answers alone, in the order of its own calls; keys keep histories apart.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.failures import EngineError
from tailrace.ports import CALL_TIMEOUT_SECONDS, IndexFields, ItemResult, SearchEngine, StoredDocument


@dataclass(slots=True)
class _Question:
    kind: str
    payload: Any
    count: int
    answered: threading.Lock = field(default_factory=threading.Lock)
    answer: Any = None


class SharedEngine:
    """The engine as `histories` threads share it. A thread that asks waits until all others ask, or have left."""

    def __init__(self, engine: SearchEngine, histories: int) -> None:
        self._engine = engine
        self._running = histories
        self._waiting: list[_Question] = []
        self._lock = threading.Lock()

    def bulk(self, body: bytes, count: int, timeout: float = CALL_TIMEOUT_SECONDS) -> Sequence[ItemResult]:
        """See `ports.SearchEngine.bulk`."""
        answer: Sequence[ItemResult] = self._ask(_Question("bulk", body, count))
        return answer

    def read_stored(
        self, documents: Sequence[tuple[str, str]], timeout: float = CALL_TIMEOUT_SECONDS
    ) -> Sequence[StoredDocument | None]:
        """See `ports.SearchEngine.read_stored`."""
        answer: Sequence[StoredDocument | None] = self._ask(_Question("read", documents, len(documents)))
        return answer

    def ensure_index(self, alias: str, request: Mapping[str, Any], timeout: float = CALL_TIMEOUT_SECONDS) -> bool:
        """See `ports.SearchEngine.ensure_index`."""
        return self._engine.ensure_index(alias, request)

    def read_shadows(self, aliases: Collection[str], timeout: float = CALL_TIMEOUT_SECONDS) -> frozenset[str]:
        """See `ports.SearchEngine.read_shadows`. No history builds a generation, so nobody needs to ask."""
        return frozenset()

    def read_fields(self, alias: str, timeout: float = CALL_TIMEOUT_SECONDS) -> IndexFields:
        """See `ports.SearchEngine.read_fields`."""
        return self._engine.read_fields(alias)

    def leave(self) -> None:
        """A history is over."""
        with self._lock:
            self._running -= 1
            questions = self._take_if_complete()
        self._answer(questions)

    def _ask(self, question: _Question) -> Any:
        question.answered.acquire()
        with self._lock:
            self._waiting.append(question)
            questions = self._take_if_complete()
        self._answer(questions)
        question.answered.acquire()
        if isinstance(question.answer, EngineError):
            raise question.answer
        return question.answer

    def _take_if_complete(self) -> list[_Question]:
        if len(self._waiting) < self._running:
            return []
        questions, self._waiting = self._waiting, []
        return questions

    def _answer(self, questions: list[_Question]) -> None:
        bulks = [question for question in questions if question.kind == "bulk"]
        reads = [question for question in questions if question.kind == "read"]
        _answer_together(bulks, lambda: self._bulk(bulks))
        _answer_together(reads, lambda: self._read(reads))

    def _bulk(self, questions: list[_Question]) -> Sequence[Any]:
        body = b"".join(question.payload for question in questions)
        return self._engine.bulk(body, sum(question.count for question in questions))

    def _read(self, questions: list[_Question]) -> Sequence[Any]:
        return self._engine.read_stored([document for question in questions for document in question.payload])


def _answer_together(questions: list[_Question], ask: Callable[[], Sequence[Any]]) -> None:
    """Every question gets its share of the answers, or the error of all."""
    if not questions:
        return
    try:
        answers = iter(ask())
        for question in questions:
            question.answer = [next(answers) for _ in range(question.count)]
    except EngineError as error:
        for question in questions:
            question.answer = error
    finally:
        for question in questions:
            question.answered.release()
