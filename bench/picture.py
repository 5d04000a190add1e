"""The figures as a picture: one bar each, against its target, in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.figures import Figure

WIDTH, ROW, TOP, LEFT, FULL, MOST = 920, 30, 64, 372, 220, 1.5

ROLE = 'role="img" aria-labelledby="title description"'
STYLE = """\
text { font: 14px system-ui, sans-serif; fill: #1f2328 } .head { font-weight: 600; font-size: 17px }
.dim { fill: #59636e } .back { fill: #ffffff } .ok { fill: #2f7d4f } .missed { fill: #c2570c }
.target { stroke: #1f2328; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .dim { fill: #9ba6b2 } .back { fill: #0d1117 } .ok { fill: #4cae76 } .missed { fill: #f0883e }
.target { stroke: #e6edf3 } }
"""


def picture(figures: Sequence[Figure], when: str) -> str:
    """Return an SVG document: how much of its target each figure takes up."""
    shown = [figure for figure in figures if figure.value is not None and figure.target is not None]
    height = TOP + ROW * len(shown) + 16
    said = "; ".join(f"{each.label}: {each.shown()}, target {each.promise()}, {each.verdict}" for each in shown)
    line = f'<line class="target" x1="{LEFT + FULL}" y1="{TOP - 8}" x2="{LEFT + FULL}" y2="{height - 14}"/>'
    rows = [_row(figure, TOP + ROW * number) for number, figure in enumerate(shown)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {ROLE}>',
            '<title id="title">How fast upsun-agent is, figure by figure against its target</title>',
            f'<desc id="description">{escape(said)}.</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{height}"/>',
            f'<text class="head" x="16" y="28">Less is better ({escape(when)})</text>',
            f'<text class="dim" x="{LEFT + FULL}" y="{TOP - 14}" text-anchor="middle">target</text>',
            *rows,
            line,
            "</svg>\n",
        ]
    )


def _row(figure: Figure, y: int) -> str:
    share = float(figure.amount()) / (figure.target or 1)
    kind, sign = ("ok", "✓") if figure.verdict == "ok" else ("missed", "✗ missed")
    text = f"{figure.shown()} of {figure.promise().partition(',')[0]}  {sign}"
    label, width = figure.label.replace("against the official CLI", "vs official CLI"), FULL * min(share, MOST)
    return (
        f'<text x="16" y="{y + 17}">{escape(label)}</text>'
        f'<rect class="{kind}" x="{LEFT}" y="{y + 3}" width="{width:.1f}" height="{ROW - 10}" rx="3"/>'
        f'<text x="{LEFT + FULL * MOST + 12:.0f}" y="{y + 17}">{escape(text)}</text>'
    )
