"""The demo's page: one HTML file with its plots and tables, which needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from mlops.pipeline_history import short_commit
from mlops.plots import metric_plot, prediction_plot, timeline_plot
from mlops.versions import versions_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops.documents import ModelTest
    from mlops.history import History, StateVisit
    from mlops.pipeline_history import ActionExecution, PipelineHistory
    from mlops.plots import Timeline
    from mlops.versions import ModelVersion

_CSS = """
:root { color-scheme: light dark; --ink: #1c1d21; --paper: #ffffff; --line: #d5d6db; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ec; --paper: #17181c; --line: #3b3d45; }
}
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
p { margin: .25rem 0 1rem; } .wide { overflow-x: auto; }
figure { margin: 0; } svg { width: 100%; height: auto; }
.pair { display: grid; grid-template-columns: 1.35fr 1fr; gap: 2rem; align-items: start; }
@media (max-width: 46rem) { .pair { grid-template-columns: 1fr; } }
table { border-collapse: collapse; font-size: .875rem; white-space: nowrap; }
th, td { padding: .3rem 1rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
"""


@dataclass(frozen=True)
class Story:
    """Everything the page tells."""

    project: str
    target: str
    versions: Sequence[ModelVersion]
    limit: float | None
    model_test: ModelTest
    predictions: Sequence[tuple[str, float, float]]
    """Rows with the endpoint's prediction and the true label."""
    runs: Sequence[History]
    """One for each version."""
    commits: Sequence[PipelineHistory]
    phases: Mapping[str, float]
    data_note: str


def render_report(story: Story) -> str:
    """Write the page."""
    newest = story.versions[-1]
    label = newest.evaluation.label if newest.evaluation else "label"
    metric = newest.metric_name
    held_out = f"{len(story.model_test.labels)} validation rows, version {newest.number}"
    body = [
        f"<h1>{escape(story.project)}: {len(story.versions)} model versions</h1>",
        f"<p>{escape(story.target)}. {escape(story.data_note)}</p>",
        '<div class="pair">',
        _figure(f"{metric} per version, on the held-out split", _metric_plot(story, metric)),
        _figure(f"Predicted against true {label}: {held_out}", _prediction_plot(story, label)),
        "</div>",
        "<h2>Model versions</h2>",
        _table(*versions_table(story.versions)),
        "<h2>What the endpoint predicts</h2>",
        _predictions_table(story.predictions, label),
        "<h2>Stages of each commit</h2>",
        f"<figure>{timeline_plot(_stages(story.commits), 'stages of each commit')}</figure>",
        "<h2>States of each run</h2>",
        f"<figure>{timeline_plot(_states(story.runs), 'states of each run')}</figure>",
        "<h2>Seconds per phase</h2>",
        _table(("phase", "seconds"), [(name, f"{s:.1f}") for name, s in story.phases.items()]),
    ]
    return _page(story.project, "\n".join(body))


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _metric_plot(story: Story, metric: str) -> str:
    return metric_plot(
        metric,
        [_version_label(each) for each in story.versions],
        [each.metric(metric) or 0.0 for each in story.versions],
        [each.baseline(metric) or 0.0 for each in story.versions],
        story.limit,
    )


def _version_label(version: ModelVersion) -> str:
    commit = f"{short_commit(version.commit)} {version.gate}"
    return f"version {version.number}\n{version.dataset}\n{commit}"


def _prediction_plot(story: Story, label: str) -> str:
    return prediction_plot(label, story.model_test.labels, story.model_test.predictions)


def _states(runs: Sequence[History]) -> list[Timeline]:
    return [
        (f"version {number}", [_bar(history, each) for each in history.visits])
        for number, history in enumerate(runs, start=1)
    ]


def _stages(commits: Sequence[PipelineHistory]) -> list[Timeline]:
    return [
        (
            f"{each.execution.short_commit} {each.execution.message}",
            [_stage_bar(each, action) for action in each.actions],
        )
        for each in commits
    ]


def _stage_bar(history: PipelineHistory, action: ActionExecution) -> tuple[str, float, float]:
    start = (action.started - history.execution.started).total_seconds()
    return action.stage, start, action.seconds(action.updated)


def _bar(history: History, visit: StateVisit) -> tuple[str, float, float]:
    start = (visit.entered - (history.started or visit.entered)).total_seconds()
    return visit.name, start, visit.seconds(visit.entered)


def _predictions_table(predictions: Sequence[tuple[str, float, float]], label: str) -> str:
    rows = [(row, f"{predicted:.1f}", f"{true:g}") for row, predicted, true in predictions]
    return _table(("row", "prediction", f"true {label}"), rows)


def _figure(caption: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th{_align(column)}>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{_align(column)}>{escape(cell)}</td>"
            for column, cell in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _align(column: str) -> str:
    left = ("data set", "commit", "gate", "approval", "image", "created", "row", "phase")
    return "" if column in left else ' class="number"'
