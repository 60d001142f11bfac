"""Puts figures into docs/benchmarks.md, each table between its own pair of marks.

Invariant: nothing outside the marks is touched, and each table says when and on what it was measured.
"""

import os
import platform
from datetime import date
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.node_packages import node_version
from tailrace.errors import UserError
from tailrace_local.engine_flags import choose_spec

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"


def write_figures(section: str, figures: Figures, today: date, page: Path = PAGE) -> None:
    """Put a section's table into the page, its drawings beside it. Raises `UserError` where its marks are missing."""
    content = f"{figures.as_markdown()}\n\nMeasured on {today:%Y-%m-%d}: {describe_machine()}."
    page.write_text(replace_block(page.read_text(encoding="utf-8"), section, content), encoding="utf-8")
    for name, drawing in figures.drawings:
        (page.parent / name).write_text(drawing, encoding="utf-8")


def replace_block(text: str, section: str, content: str) -> str:
    """The page with other content between a section's marks. Raises `UserError` where they are missing."""
    first, last = f"<!-- >>> bench: {section} -->", f"<!-- <<< bench: {section} -->"
    before, opening, rest = text.partition(first)
    _, closing, after = rest.partition(last)
    if not opening or not closing:
        raise UserError(f"docs/benchmarks.md has no pair of marks for {section}: put `{first}` and `{last}` back")
    return f"{before}{first}\n{content}\n{last}{after}"


def describe_machine() -> str:
    """Cores, processor, Python, OpenSearch and Node.js, in one phrase."""
    engine = (
        "an OpenSearch of its own"
        if os.environ.get("TAILRACE_OPENSEARCH_URL")
        else f"OpenSearch {choose_spec(os.environ).version}"
    )
    parts = [
        f"{os.cpu_count()} cores of {_processor()} shared by engine and clients",
        f"Python {platform.python_version()}",
        engine,
        f"Node.js {version}" if (version := node_version().lstrip("v")) else "no Node.js",
    ]
    return ", ".join(parts)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()
