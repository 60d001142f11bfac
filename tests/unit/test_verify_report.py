"""The certificate as people read it, and the bar that only a terminal gets."""

from builders import order, tables
from verification_builders import Sides

from tailrace.ports import ItemResult
from tailrace_cli.verify_report import open_bar, print_certificate


def text_of(certificate, capsys):
    print_certificate(certificate)
    return capsys.readouterr().out


def test_a_clean_certificate_says_so_last(capsys):
    sides = Sides()
    sides.put(order("a"))

    assert text_of(sides.verify(deep=True), capsys).splitlines() == [
        "table                orders",
        "index                orders@000001, alias orders",
        "items                1",
        "documents            1",
        "tombstones           0",
        "compared             digests and contents; a difference counts after 5 s",
        "started              2023-11-14T22:13:20+00:00",
        "ended                2023-11-14T22:13:20+00:00, after 0.0 s",
        "digest of the table  5e336564324abddcf663aed927494b38",
        "digest of the index  5e336564324abddcf663aed927494b38",
        "",
        "Clean: the index equals the table.",
    ]


def test_differences_are_told_by_kind_with_ids_and_fields(capsys):
    sides = Sides()
    sides.put(order("a"), order("b"))
    sides.alter("a", total=1, note="x")
    sides.table.items.append(order("c"))

    told = text_of(sides.verify(deep=True, repair=True), capsys)

    assert "differences: 1 missing. The item has no document.\n  orders@000001/c\n" in told
    assert "  orders@000001/a, fields note, total\n" in told
    assert told.endswith("\n2 differences, 2 repaired; verify again.\n")


def test_what_was_not_repaired_is_told_with_its_reason(capsys):
    sides = Sides()
    sides.put(order("a"))
    sides.table.items.append(order("c"))
    sides.engine.refuse = lambda *_: ItemResult(403, "security_exception")

    told = text_of(sides.verify(repair=True), capsys)

    assert "not repaired: 1 missing. The item has no document.\n  orders@000001/c: security_exception\n" in told
    assert told.endswith("\n1 difference.\n")


def test_what_the_filter_asks_for_is_told_and_the_verdict_is_clean(capsys):
    sides = Sides()
    sides.put(order("a"))
    sides.table.items.clear()
    sides.tables = tables(filter={"exclude_operations": ["remove"]})

    told = text_of(sides.verify(), capsys)

    assert "allowed by the table's filter: 1 orphan. " in told
    assert told.endswith("\nClean: the index equals the table.\n")


def test_nobody_but_a_terminal_gets_a_bar(capsys):
    sides = Sides()
    sides.put(order("a"))
    with open_bar() as show:
        sides.verify(progress=show)

    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_on_standard_error(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    sides = Sides()
    sides.put(order("a"))
    sides.table.items.append(order("b"))
    with open_bar() as show:
        sides.verify(progress=show)

    told = capsys.readouterr()
    assert told.out == ""
    assert "Items against documents" in told.err
