"""A graph drawn as SVG: its nodes in layers, from the start down to the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from signoff.text import visible

HEIGHT, GAP, ROW, MARGIN = 34, 26, 66, 14
CHARACTER = 7.4
MOST_NODES = 80
"""Larger graphs are not drawn: nobody could read them."""

NAMES = {"__start__": "start", "__end__": "end"}


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node stands: its middle and its width."""

    x: float
    y: float
    width: float


def draw(drawing: Mapping[str, Any], *, at: Sequence[str] = ()) -> Markup | None:
    """A graph with the nodes `at` which it stands marked; None if it has too many to be drawn."""
    nodes = [str(node["id"]) for node in drawing["nodes"]]
    if not nodes or len(nodes) > MOST_NODES:
        return None
    edges = [
        (str(e["source"]), str(e["target"]), bool(e.get("conditional"))) for e in drawing["edges"]
    ]
    layers = _layers(nodes, [(source, target) for source, target, _ in edges])
    boxes, width = _placed(layers)
    height = len(layers) * ROW - (ROW - HEIGHT) + 2 * MARGIN
    aside = _Aside(width)
    drawn = [
        _edge(boxes[s], boxes[t], dashed, aside)
        for s, t, dashed in edges
        if s in boxes and t in boxes
    ]
    total = aside.reached + MARGIN
    said = f"The graph: {', '.join(_name(node) for node in nodes)}"
    if at:
        said += f". It stands at {', '.join(_name(node) for node in at)}"
    return Markup(
        '<svg class="drawing" viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}"'
        ' role="img" aria-label="{said}"><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4"'
        ' markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z"/>'
        "</marker></defs>{edges}{nodes}</svg>"
    ).format(
        w=total,
        h=height,
        said=said,
        edges=Markup("").join(drawn),
        nodes=Markup("").join(_node(node, box, node in at) for node, box in boxes.items()),
    )


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The nodes by how far they are from the start, at the most, on ways that do not turn back."""
    forward = _forward(nodes, edges)
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:
        moved = False
        for source, target in forward:
            if depth[target] < depth[source] + 1:
                depth[target], moved = depth[source] + 1, True
        if not moved:
            break
    layers: dict[int, list[str]] = defaultdict(list)
    for node in nodes:
        layers[depth[node]].append(node)
    return [layers[number] for number in sorted(layers)]


def _forward(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges that do not lead back to where one came from."""
    leads: dict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        leads[source].append(target)
    state: dict[str, int] = {}
    back: set[tuple[str, str]] = set()
    for root in nodes:
        if root in state:
            continue
        state[root] = 1
        pending = [(root, iter(leads[root]))]
        while pending:
            node, rest = pending[-1]
            following = next(rest, None)
            if following is None:
                state[node] = 2
                pending.pop()
            elif state.get(following) == 1:
                back.add((node, following))
            elif following not in state:
                state[following] = 1
                pending.append((following, iter(leads[following])))
    return [(s, t) for s, t in edges if (s, t) not in back and s in state and t in state and s != t]


def _placed(layers: Sequence[Sequence[str]]) -> tuple[dict[str, Box], float]:
    widths = {node: _width(node) for layer in layers for node in layer}
    rows = [sum(widths[node] for node in layer) + GAP * (len(layer) - 1) for layer in layers]
    widest = max(rows)
    boxes = {}
    for number, layer in enumerate(layers):
        x = MARGIN + (widest - rows[number]) / 2
        for node in layer:
            y = MARGIN + number * ROW + HEIGHT / 2
            boxes[node] = Box(x + widths[node] / 2, y, widths[node])
            x += widths[node] + GAP
    return boxes, widest + 2 * MARGIN


def _width(node: str) -> float:
    return min(260, max(64, len(_name(node)) * CHARACTER + 30))


def _name(node: str) -> str:
    name = NAMES.get(node, node)
    return name if len(name) <= 30 else f"{name[:29]}…"


class _Aside:
    """The room beside the nodes, where edges run that do not lead just one layer down."""

    def __init__(self, width: float) -> None:
        self.reached = width - MARGIN
        self._edge = width - MARGIN

    def lane(self) -> float:
        """One more lane, further out than the last."""
        self.reached += 14
        return self.reached


def _edge(source: Box, target: Box, dashed: bool, aside: _Aside) -> Markup:
    down = target.y - source.y
    if 0 < down <= ROW + 1:
        y, end = source.y + HEIGHT / 2, target.y - HEIGHT / 2 - 1
        middle = (y + end) / 2
        points = [(source.x, y), (source.x, middle), (target.x, middle), (target.x, end)]
    else:
        lane = aside.lane() + 10
        aside.reached = max(aside.reached, lane - 10)
        x, end = source.x + source.width / 2, target.x + target.width / 2 + 1
        points = [(x, source.y), (lane, source.y), (lane, target.y), (end, target.y)]
    begin, *curve = (f"{x:.0f} {y:.0f}" for x, y in points)
    path = f"M{begin}C{' '.join(curve)}"
    return Markup('<path class="{}" d="{}" marker-end="url(#tip)"/>').format(
        "edge maybe" if dashed else "edge", path
    )


def _node(node: str, box: Box, marked: bool) -> Markup:
    kind = "node at" if marked else "node end" if node in NAMES else "node"
    return Markup(
        '<g class="{}"><rect x="{:.0f}" y="{:.0f}" width="{:.0f}" height="{}" rx="{}"/>'
        '<text x="{:.0f}" y="{:.0f}">{}</text></g>'
    ).format(
        kind,
        box.x - box.width / 2,
        box.y - HEIGHT / 2,
        box.width,
        HEIGHT,
        HEIGHT // 2 if node in NAMES else 8,
        box.x,
        box.y + 4.5,
        visible(_name(node)),
    )
