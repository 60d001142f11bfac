"""What `make bench --write` puts into the page, and what may be missing where it runs."""

import json
import os
import time
import xml.etree.ElementTree as ElementTree
from datetime import date
from pathlib import Path

import pytest
from benchmarks.__main__ import main
from benchmarks.figures import Figures, hundredths, tenths
from benchmarks.memory import summarize
from benchmarks.node_packages import SOURCE, NoNodeError, ensure_node_packages
from benchmarks.pages import replace_block, write_figures
from benchmarks.plot import Bar, Panel, draw
from benchmarks.readings import cpu_seconds, parse_clock, resident_mib
from benchmarks.sections import DRAWING, SECTIONS

from tailrace.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
FIGURES = Figures(
    "Speed", ("", "ms"), (("Tailrace", "12.0"), ("raw `_bulk`", "0.5")), ("A note.",), (("a.svg", "<svg/>"),)
)


def marked(content: str) -> str:
    return f"Before.\n\n<!-- >>> bench: order -->\n{content}<!-- <<< bench: order -->\n\nAfter.\n"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_has_its_place_in_the_page(section):
    assert replace_block(PAGE, section, "new") != PAGE


def test_the_page_shows_the_drawing_of_the_contest():
    assert f"]({DRAWING})" in PAGE


def test_figures_replace_what_stood_between_their_marks_and_nothing_else(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(marked("old\n"))

    write_figures("order", FIGURES, date(2026, 11, 21), page)

    before, table, after = page.read_text().partition(
        "|  | ms |\n| --- | ---: |\n| Tailrace | 12.0 |\n| raw `_bulk` | 0.5 |\n"
    )
    assert before == "Before.\n\n<!-- >>> bench: order -->\n"
    assert table
    assert after.startswith("\nA note.\n\nMeasured on 2026-11-21: ")
    assert after.endswith(".\n<!-- <<< bench: order -->\n\nAfter.\n")
    assert (tmp_path / "a.svg").read_text() == "<svg/>"


def test_a_page_without_the_marks_is_refused_with_what_to_put_back():
    with pytest.raises(UserError, match="no pair of marks for memory: put `<!-- >>> bench: memory -->` and"):
        replace_block(marked(""), "memory", "new")


def test_a_section_that_does_not_exist_is_named_beside_those_that_do(capsys):
    with pytest.raises(SystemExit) as end:
        main(["contest"])

    assert end.value.code == 2
    assert "there is no section contest: the sections are contestants, decoding" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "text"), [(0.54, "0.5"), (12.04, "12.0"), (1219.6, "1,220")])
def test_small_figures_keep_a_digit_after_the_point(value, text):
    assert tenths(value) == text


def test_a_missing_ratio_is_a_hyphen():
    assert (hundredths(None), hundredths(1.5, " ×")) == ("-", "1.50 ×")


# -- the drawing ------------------------------------------------------------------------------------------------------

BARS = [Bar("raw", 35_000, 0.5), Bar("Tailrace & co", 20_000, 12.0, is_ours=True), Bar("one by one", 535, 1_220)]


def test_the_drawing_is_well_formed_and_names_every_contestant_with_both_figures():
    drawn = ElementTree.fromstring(draw(BARS))
    texts = {element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")}

    assert {"raw", "35,000", "0.5", "Tailrace & co", "20,000", "12.0", "one by one", "535", "1,220"} <= texts


def test_the_drawing_follows_a_dark_page_and_is_the_same_every_time():
    assert "@media (prefers-color-scheme: dark)" in draw(BARS)
    assert draw(BARS) == draw(list(BARS))


def test_a_logarithmic_axis_has_equal_steps_for_equal_factors():
    axis = Panel("speed", "", 100, 400, 10, 10_000)

    assert [axis.x(tick) for tick in axis.ticks()] == [100, 200, 300, 400]


# -- what may be missing, and what is measured ------------------------------------------------------------------------


def test_without_node_the_npm_contestant_is_left_out_with_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(
        NoNodeError, match=r"^dynamodb-stream-elasticsearch is left out: node is not on this machine\.$"
    ):
        ensure_node_packages()


def test_npm_packages_are_pinned_by_digest_and_name_no_host():
    packages = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    installed = {name: package for name, package in packages.items() if name}

    assert installed
    assert all(package["integrity"].startswith("sha512-") for package in installed.values())
    assert not [name for name, package in installed.items() if "resolved" in package]


def test_the_cpu_of_a_process_includes_what_this_one_has_spent():
    before = cpu_seconds(os.getpid())

    assert before <= time.process_time() <= cpu_seconds(os.getpid())


@pytest.mark.parametrize(("text", "seconds"), [("   0:01.25\n", 1.25), ("2:03.50", 123.5), ("1:00:00.00", 3600.0)])
def test_the_clock_of_ps_is_read(text, seconds):
    assert parse_clock(text) == seconds


def test_the_memory_of_a_process_is_read_in_mib():
    assert 10 < resident_mib(os.getpid()) < 4_000


def test_memory_is_judged_from_the_end_of_the_warm_up_on():
    result = summarize(60_000, [90.0, 40.0, 44.0, 46.5, 45.0, 45.5], warm=2)

    assert (result.settled_mib, result.peak_mib, result.end_mib) == (40.0, 46.5, 45.5)
