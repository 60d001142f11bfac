"""The contest as a picture: documents a second and client CPU of each contestant, as SVG.

Both axes are logarithmic, since the contestants lie a factor of two thousand apart; every dot is labelled with its
figure. The colours follow the reader's choice of a light or a dark page.

Invariant: the same standings make the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from xml.sax.saxutils import escape

WIDTH, ROW, TOP, BOTTOM = 960, 34, 88, 44
LABELS, GAP, RIGHT = 360, 70, 60
NOTE = "one connection, batches of 1,000 records; logarithmic axes"
STYLE = """\
.page { fill: #ffffff }
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .note { fill: #59636e; font-size: 12px } .grid { stroke: #d1d9e0 }
.figure { paint-order: stroke; stroke: #ffffff; stroke-width: 5px; stroke-linejoin: round }
.stem { stroke: #8c959f; stroke-width: 2 } .dot { fill: #6e7781 }
.ours .stem { stroke: #0969da } .ours .dot { fill: #0969da } .ours text { font-weight: 600 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } text { fill: #f0f6fc } .note { fill: #9198a1 } .grid { stroke: #3d444d }
.figure { stroke: #0d1117 }
.stem { stroke: #656c76 } .dot { fill: #9198a1 } .ours .stem { stroke: #4493f8 } .ours .dot { fill: #4493f8 }
}"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One contestant: its label, documents per second, CPU ms per 1,000 documents; `is_ours` is drawn in colour."""

    label: str
    documents_per_second: float
    cpu_ms_per_1000: float
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """A logarithmic axis from `lowest` to `highest`, both powers of ten, between two x coordinates."""

    title: str
    note: str
    left: float
    right: float
    lowest: float
    highest: float

    def x(self, value: float) -> float:
        """Where a value lies."""
        share = (log10(value) - log10(self.lowest)) / (log10(self.highest) - log10(self.lowest))
        return round(self.left + share * (self.right - self.left), 1)

    def ticks(self) -> list[float]:
        """Every power of ten on the axis."""
        return [10.0**n for n in range(round(log10(self.lowest)), round(log10(self.highest)) + 1)]


def draw(bars: Sequence[Bar]) -> str:
    """The picture of these contestants, from top to bottom."""
    width = (WIDTH - LABELS - GAP - RIGHT) / 2
    panels = (
        Panel("documents per second", "more is better", LABELS, LABELS + width, 10, 100_000),
        Panel("client CPU, ms per 1,000", "less is better", LABELS + width + GAP, WIDTH - RIGHT, 0.1, 10_000),
    )
    height = TOP + ROW * len(bars) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-label="Documents per second and client CPU of each contestant">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        *(line for panel in panels for line in _axis(panel, len(bars))),
        *(line for number, bar in enumerate(bars) for line in _row(panels, number, bar)),
        f'<text class="note" x="{LABELS}" y="{height - 14}">{NOTE}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axis(panel: Panel, rows: int) -> list[str]:
    bottom = TOP + ROW * rows
    lines = [
        f'<text class="title" x="{panel.left}" y="24">{escape(panel.title)}</text>',
        f'<text class="note" x="{panel.left}" y="42">{escape(panel.note)}</text>',
    ]
    for tick in panel.ticks():
        x = panel.x(tick)
        lines.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{bottom}"/>')
        lines.append(f'<text class="note" x="{x}" y="{TOP - 16}" text-anchor="middle">{tick:,g}</text>')
    return lines


def _row(panels: tuple[Panel, Panel], number: int, bar: Bar) -> list[str]:
    y = TOP + ROW * number + ROW // 2
    kind = "ours" if bar.is_ours else "other"
    label = f'<text x="{LABELS - 16}" y="{y + 4}" text-anchor="end">{escape(bar.label)}</text>'
    speed = _dot(panels[0], y, bar.documents_per_second, f"{bar.documents_per_second:,.0f}")
    digits = 1 if bar.cpu_ms_per_1000 < 100 else 0
    cpu = _dot(panels[1], y, bar.cpu_ms_per_1000, f"{bar.cpu_ms_per_1000:,.{digits}f}")
    return [f'<g class="{kind}">', label, *speed, *cpu, "</g>"]


def _dot(panel: Panel, y: int, value: float, text: str) -> list[str]:
    x = panel.x(value)
    return [
        f'<line class="stem" x1="{panel.left}" x2="{x}" y1="{y}" y2="{y}"/>',
        f'<circle class="dot" cx="{x}" cy="{y}" r="5"/>',
        f'<text class="figure" x="{round(x + 12, 1)}" y="{y + 4}">{text}</text>',
    ]
