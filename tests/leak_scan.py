"""A pytest plugin that reads all that the suite prints: the tests, the commands in them, and every function's log.

At the end the run fails where anything told too much (`leaks.py`). Whoever reads captured output takes it away from
pytest, so that is read, too; and a function's log is read before its folder goes.

Invariant: it judges, and changes nothing that a test sees.
"""

from collections import Counter
from functools import wraps

import pytest
from leaks import find_leaks

# Tests of the scan itself print what it looks for.
OWN = ("test_leaks.py",)


class LeakScan:
    """What was found, by the test that was running."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self.characters = 0
        self.running = "nothing"

    def read(self, text: str) -> None:
        self.characters += len(text)
        if not any(name in self.running for name in OWN):
            self.found.update(f"{self.running}: {leak}" for leak in find_leaks(text))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid):
        self.running = nodeid

    def pytest_runtest_logreport(self, report):
        for _, text in report.sections:
            self.read(text)

    def pytest_sessionfinish(self, session):
        if self.found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.write_line(f"leak scan: {self.characters} characters read, {len(self.found)} leaks")
        for leak, count in self.found.most_common(20):
            terminalreporter.write_line(f"  {leak} ({count}×)", red=True)


def pytest_configure(config):
    scan = LeakScan()
    config.pluginmanager.register(scan, "leak-scan")
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    _read_what_tests_take(scan, patch)
    _read_logs_of_functions(scan, patch)


def _read_what_tests_take(scan, patch):
    take = pytest.CaptureFixture.readouterr

    @wraps(take)
    def readouterr(self):
        taken = take(self)
        for text in taken:
            scan.read(text if isinstance(text, str) else text.decode(errors="replace"))
        return taken

    patch.setattr(pytest.CaptureFixture, "readouterr", readouterr)


def _read_logs_of_functions(scan, patch):
    from tailrace_local import functions

    end = functions._Instance.end

    @wraps(end)
    def ending(self):
        end(self)
        if self.log.is_file():
            scan.read(self.log.read_text(errors="replace"))

    patch.setattr(functions._Instance, "end", ending)
