"""Handlers in tests: each function's `app.py` as a module of its own, under an environment that reaches nothing."""

import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 30_000)
ENVIRONMENT = {
    "TAILRACE_TABLES": str(ROOT / "tables.yaml"),
    "OPENSEARCH_URL": "http://127.0.0.1:1",
    "OPENSEARCH_SERVICE": "none",
    "DEAD_LETTER_BUCKET": "letters",
    "AWS_REGION": "us-east-1",
    "TAILRACE_TIME_MARGIN_MS": "1000",
}


def load_app(name: str, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str] = ENVIRONMENT) -> ModuleType:
    """A fresh `functions/<name>/app.py`, imported under the environment."""
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    logging.Logger.manager.loggerDict.pop(name, None)  # it would write to the standard output of an earlier test
    spec = importlib.util.spec_from_file_location(f"{name}_app", ROOT / f"functions/{name}/app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
