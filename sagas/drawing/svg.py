"""A card as SVG: lists run down, branches stand beside each other, blocks are frames around them.

The layout is that of the nesting: a card is as wide as the lanes in it, and every list is centred
in its lane. So no line crosses another, and a change of one node moves only what is below it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from sagas.drawing.cards import Card, Lane

__all__ = ["svg_of"]

TEXT_MAX = 46
"""Characters of one line on a card; the whole is in its title, which a pointer shows."""
CHAR_PX, BOLD_PX, LINE_PX = 6.6, 7.6, 16
PAD_PX, ARROW_PX, LANE_GAP_PX = 10, 22, 14
WIDTH_MIN_PX = 120
MARGIN_PX = 16
_ASIDE = frozenset({"clause", "handler", "update"})
_STYLE = """
text { font: 11px "DejaVu Sans", Verdana, Helvetica, sans-serif; fill: #1a202c }
.name { font-weight: bold; font-size: 12px } .kind { fill: #4a5568 } .mark { fill: #9b2c2c }
rect { fill: #fff; stroke: #4a5568; stroke-width: 1.2 } .frame { fill: #f7fafc }
.effect { fill: #e8f1fb; stroke: #2b6cb0 } .gate { fill: #fdf3dc; stroke: #b7791f }
.pivot { fill: #fde8e8; stroke: #c53030; stroke-width: 2.6 }
.wait { fill: #eef7ee; stroke: #2f855a }
.end { fill: #edf2f7; stroke: #1a202c; stroke-width: 2.2 }
.lane { fill: none; stroke: #cbd5e0 }
.aside { fill: #fafafa; stroke: #718096; stroke-dasharray: 5 4 }
.arrow { stroke: #4a5568; stroke-width: 1.4; fill: none; marker-end: url(#tip) }
"""

_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#4a5568"/></marker></defs>'
)


@dataclass(slots=True)
class _Box:
    """A card or lane with its size, and what lies in it at which place relative to its corner."""

    width: float
    height: float
    card: Card | None = None
    lane: Lane | None = None
    head: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    inner: list[tuple[float, float, _Box]] = field(
        default_factory=list["tuple[float, float, _Box]"]
    )


def svg_of(saga: Card) -> str:
    """The picture as text of an SVG file, with title and desc for readers that do not see it."""
    box = _card(saga)
    width, height = box.width + 2 * MARGIN_PX, box.height + 2 * MARGIN_PX
    size = f'width="{width:.0f}" height="{height:.0f}"'
    view = f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="title desc"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view}>',
        f'<title id="title">{escape(saga.title)}</title>',
        f'<desc id="desc">{escape(_told(saga))}</desc>',
        f"<style>{_STYLE}</style>",
        _TIP,
        f'<rect x="0" y="0" {size} style="fill:#fff;stroke:none"/>',
    ]
    _draw(box, MARGIN_PX, MARGIN_PX, out)
    out.append("</svg>")
    return "\n".join(out) + "\n"


# --- layout ----------------------------------------------------------------------------------


def _card(card: Card) -> _Box:
    head = [("name", card.title)]
    if card.kind != "saga":
        head.insert(0, ("kind", card.kind))
    head += [("note", note) for note in card.notes]
    head += [("mark", mark) for mark in card.marks]
    box = _framed(head)
    box.card = card
    if card.lanes:
        _beside(box, [_lane(lane) for lane in card.lanes])
    return box


def _lane(lane: Lane) -> _Box:
    head = [("name", lane.title)] if lane.title else []
    head += [("note", note) for note in lane.notes]
    head += [] if lane.cards else [("kind", "nothing")]
    cards = [_card(card) for card in lane.cards]
    box = _framed(head)
    box.lane = lane
    inner = max([one.width for one in cards] or [0.0])
    box.width = max(box.width, inner + 2 * PAD_PX)
    y = box.height if head else PAD_PX
    box.height = y
    for index, one in enumerate(cards):
        y += ARROW_PX if index else 0
        box.inner.append(((box.width - one.width) / 2, y, one))
        y += one.height
    box.height = max(y + PAD_PX, box.height)
    return box


def _framed(head: list[tuple[str, str]]) -> _Box:
    """A box with room for its lines."""
    texts = [(BOLD_PX if kind == "name" else CHAR_PX) * len(_cut(text)) for kind, text in head]
    width = max([WIDTH_MIN_PX, *(size + 2 * PAD_PX for size in texts)])
    return _Box(width, LINE_PX * len(head) + 1.5 * PAD_PX, head=head)


def _beside(box: _Box, lanes: list[_Box]) -> None:
    """Lanes beside each other, below the lines of their card; what is aside stacks in columns."""
    columns = [[lane] for lane in lanes if not _is_aside(lane)]
    room = max([lane.height for column in columns for lane in column] or [0.0])
    beside = len(columns)
    for lane in lanes:
        if _is_aside(lane):
            last = columns[-1] if len(columns) > beside else None
            if last is None or _stacked([*last, lane]) > room:
                last = list[_Box]()
                columns.append(last)
            last.append(lane)
    width = sum(_widest(c) for c in columns) + LANE_GAP_PX * (len(columns) - 1)
    box.width = max(box.width, width + 2 * PAD_PX)
    x, top = (box.width - width) / 2, box.height
    for column in columns:
        y = top
        for lane in column:
            box.inner.append((x, y, lane))
            y += lane.height + LANE_GAP_PX
        x += _widest(column) + LANE_GAP_PX
    box.height = top + max(_stacked(column) for column in columns) + PAD_PX


def _is_aside(lane: _Box) -> bool:
    return lane.lane is not None and lane.lane.role in _ASIDE


def _widest(column: list[_Box]) -> float:
    return max(lane.width for lane in column)


def _stacked(column: list[_Box]) -> float:
    return sum(lane.height for lane in column) + LANE_GAP_PX * (len(column) - 1)


# --- drawing ---------------------------------------------------------------------------------


def _draw(box: _Box, x: float, y: float, out: list[str]) -> None:
    out.append(f"<g><title>{escape(_whole(box))}</title>" if box.head else "<g>")
    style = _style(box)
    if style is not None:
        radius = 12 if style == "wait" else 4
        out.append(
            f'<rect class={quoteattr(style)} x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" '
            f'height="{box.height:.1f}" rx="{radius}"/>'
        )
    for index, (kind, text) in enumerate(box.head):
        line_y = y + PAD_PX + LINE_PX * index + LINE_PX / 2 + 1
        place = f'x="{x + PAD_PX:.1f}" y="{line_y:.1f}"'
        out.append(f'<text class="{kind}" {place}>{escape(_cut(text))}</text>')
    before: tuple[float, float] | None = None
    for left, top, inner in box.inner:
        middle, upper = x + left + inner.width / 2, y + top
        if box.lane is not None and before is not None:
            out.append(
                f'<path class="arrow" d="M{before[0]:.1f} {before[1]:.1f} '
                f'L{middle:.1f} {upper - 1:.1f}"/>'
            )
        _draw(inner, x + left, upper, out)
        before = middle, upper + inner.height
    out.append("</g>")


def _style(box: _Box) -> str | None:
    if box.lane is not None:
        if box.lane.role == "main":
            return None
        return "aside" if _is_aside(box) else "lane"
    assert box.card is not None
    if box.card.tone != "plain":
        return box.card.tone
    return "frame" if box.card.lanes else "card"


def _whole(box: _Box) -> str:
    return "\n".join(text for _, text in box.head)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"


def _told(saga: Card) -> str:
    """The picture in words: every card in document order, indented by its depth."""
    lines: list[str] = []

    def tell(card: Card, depth: int) -> None:
        said = "; ".join([*card.notes, *card.marks])
        lines.append(f"{'  ' * depth}{card.kind} {card.title}" + (f": {said}" if said else ""))
        for lane in card.lanes:
            if lane.title:
                lines.append("  " * (depth + 1) + "; ".join([lane.title, *lane.notes]))
            for one in lane.cards:
                tell(one, depth + (2 if lane.title else 1))

    tell(saga, 0)
    return "\n".join(lines)
