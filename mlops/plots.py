"""The demo's plots as SVG that takes its text and line colours from the page around it."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import matplotlib
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

INK = "#0a0b0c"
"""Stands for the page's own text colour until the SVG is written."""
COLOURS = ("#3b7dd8", "#d9822b", "#2f9e6e", "#b5529c", "#8a7f2d", "#7a6ff0")
BASELINE_COLOUR, LIMIT_COLOUR = "#7b7b84", "#d64545"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "plots",
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
_IN_BAR: dict[str, Any] = {
    "textcoords": "offset points",
    "ha": "center",
    "va": "top",
    "fontsize": 9,
    "color": "white",
}


def metric_plot(
    metric: str,
    labels: Sequence[str],
    values: Sequence[float],
    baselines: Sequence[float],
    limit: float | None,
) -> str:
    """Draw a metric for each version beside its baseline, with the limit of the gate."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = _canvas(6.4, 3.6)
        positions = range(len(values))
        axes.bar([x - 0.19 for x in positions], values, 0.36, color=COLOURS[0], label="model")
        axes.bar(
            [x + 0.19 for x in positions], baselines, 0.36, color=BASELINE_COLOUR, label="baseline"
        )
        for x, (value, baseline) in enumerate(zip(values, baselines, strict=True)):
            for position, height in ((x - 0.19, value), (x + 0.19, baseline)):
                axes.annotate(f"{height:.3f}", (position, height), (0, -5), **_IN_BAR)
        if limit is not None:
            axes.axhline(limit, color=LIMIT_COLOUR, linestyle="--", label=f"gate {limit:g}")
        highest = max([*values, *baselines, limit or 0.0])
        axes.set(xticks=list(positions), xticklabels=labels, ylabel=metric, ylim=(0, highest * 1.2))
        axes.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.14))
        return _svg(figure, f"{metric} per model version")


def prediction_plot(label: str, labels: Sequence[float], predictions: Sequence[float]) -> str:
    """Draw predictions against true labels, with the line on which they would be equal."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = _canvas(4.8, 3.65)
        low, high = min(*labels, *predictions), max(*labels, *predictions)
        axes.plot([low, high], [low, high], color=INK, linewidth=0.8, alpha=0.6)
        axes.scatter(labels, predictions, s=9, alpha=0.45, color=COLOURS[0], linewidths=0)
        axes.set(xlabel=f"true {label}", ylabel=f"predicted {label}", aspect="equal")
        return _svg(figure, f"predicted against true {label}")


Timeline: TypeAlias = tuple[str, "Sequence[tuple[str, float, float]]"]
"""A title for one execution, and its visits as (state, start, length) in seconds since it began."""


def timeline_plot(runs: Sequence[Timeline], title: str) -> str:
    """Draw when each of several executions was in which state."""
    states = merged_order([state for state, _, _ in visits] for _, visits in runs)
    height = 0.8 / max(1, len(runs))
    with matplotlib.rc_context(_STYLE):
        figure, axes = _canvas(8.4, 0.9 + 0.32 * len(states))
        for index, (name, visits) in enumerate(runs):
            offset = (index - (len(runs) - 1) / 2) * height
            axes.barh(
                [states.index(state) + offset for state, _, _ in visits],
                [max(length, 0.02) for _, _, length in visits],
                height=height * 0.9,
                left=[start for _, start, _ in visits],
                color=COLOURS[index % len(COLOURS)],
                label=name,
            )
        axes.set(yticks=range(len(states)), yticklabels=states, xlabel="seconds since the start")
        axes.set_ylim(len(states) - 0.4, -0.6)
        axes.grid(axis="x", alpha=0.2, color=INK)
        axes.set_axisbelow(True)
        axes.legend(loc="upper right")
        return _svg(figure, f"{title} over time")


def merged_order(sequences: Iterable[Sequence[str]]) -> list[str]:
    """List every name once; one that only a later sequence has follows its predecessor there."""
    order: list[str] = []
    for sequence in sequences:
        position = 0
        for name in dict.fromkeys(sequence):
            if name not in order:
                order.insert(position, name)
            position = order.index(name) + 1
    return order


def _canvas(width_inches: float, height_inches: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    undated: dict[str, Any] = {"Date": None, "Creator": None, "Title": title}
    figure.savefig(buffer, format="svg", transparent=True, metadata=undated)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # several plots share a page: sizes are the page's business, and ids must not repeat
    text = re.sub(r' (width|height)="[0-9.]+pt"', "", text, count=2)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
