"""The demo's page stands alone: plots inside it, nothing loaded from anywhere."""

import re

import pytest

from mlops.documents import ModelTest
from mlops.history import read_history
from mlops.pipeline_history import ActionExecution, PipelineHistory
from mlops.plots import INK, merged_order
from mlops.report import Story, render_report
from mlops.summary import summarize
from tests.unit.mlops.factories import failing_events, run, succeeding_events, version
from tests.unit.mlops.pipeline_factories import at, execution

COMMIT = PipelineHistory(
    execution(),
    [ActionExecution("1", "Build", "Build", "CodeBuild", "Succeeded", at(1), at(5))],
)
ATTRIBUTES = re.compile(r'\b(?:src|href|xlink:href)="(?!#)')


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(
        Story(
            project="a <project>",
            target="embedded account 123456789012 us-east-1 http://127.0.0.1:1",
            versions=[version(1, 2.21), version(2, 2.18, "v1.1")],
            limit=2.35,
            model_test=ModelTest("text/csv", ["M,1", "F,2"], [7.0, 9.0], [8.0, 9.5]),
            predictions=[("M,1", 8.04, 7.0)],
            runs=[read_history(succeeding_events()), read_history(failing_events())],
            commits=[COMMIT],
            phases={"deploy": 3.04},
            data_note="where the rows come from",
        )
    )


def test_the_page_holds_four_plots(page: str) -> None:
    assert page.count("<svg") == 4
    for title in (
        "rmse per model version",
        "predicted against true rings",
        "stages of each commit",
        "states of each run",
    ):
        assert f'aria-label="{title}' in page


def test_the_plots_show_metrics_baseline_limit_and_states(page: str) -> None:
    for text in ("2.210", "2.180", "2.300", "gate 2.35", "v1.1", "WaitForEndpoint", "TrainModel"):
        assert f">{text}" in page
    for text in ("0f1e2d3 passed", "0f1e2d3 Mend it", "Build", "version 2"):
        assert f">{text}" in page


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    assert ATTRIBUTES.findall(page) == []
    assert "<script" not in page
    assert "<link" not in page
    assert "@import" not in page
    assert re.findall(r"url\((?!#)", page) == []


def test_lines_and_text_take_the_colour_of_a_light_or_dark_page(page: str) -> None:
    assert "currentColor" in page
    assert INK not in page
    assert "prefers-color-scheme: dark" in page


def test_ids_are_unique(page: str) -> None:
    groups = re.findall(r'<g id="([^"]+)"', page)
    assert groups == []


def test_tables_show_versions_predictions_and_phases(page: str) -> None:
    for cell in (
        "PendingManualApproval",
        "abababababab",
        "0f1e2d3",
        "M,1",
        "8.0",
        "7",
        "deploy",
        "3.0",
    ):
        assert f">{cell}</td>" in page


def test_names_are_escaped(page: str) -> None:
    assert "a &lt;project&gt;" in page
    assert "<project>" not in page


def test_a_state_that_only_a_later_run_visits_is_shown_where_it_belongs() -> None:
    runs = [["A", "B", "Pause", "B", "C"], ["A", "Update", "B", "C"]]
    assert merged_order(runs) == ["A", "Update", "B", "Pause", "C"]


def test_the_summary_has_versions_commits_states_phases_and_wall_time() -> None:
    runs = [(run(), read_history(succeeding_events()))]
    summary = summarize([version(1, 2.21)], runs, [COMMIT], {"deploy": 3.04}, 30.5)
    assert summary["versions"][0] == {
        "number": 1,
        "dataset": "v1.0",
        "metrics": {"rmse": 2.21, "r2": 0.52},
        "baseline": {"rmse": 2.3},
        "gate": "passed",
        "approval_status": "PendingManualApproval",
        "commit": COMMIT.execution.commit,
        "image_digest": "sha256:" + "ab" * 32,
        "execution_arn": run().execution_arn,
    }
    assert summary["states"][run().execution_arn][0] == {
        "name": "WaitForEndpoint",
        "start": "2026-11-21T12:00:00.000+00:00",
        "seconds": 1.0,
    }
    assert summary["commits"] == [
        {
            "commit": COMMIT.execution.commit,
            "message": "Mend it",
            "pipeline_execution_id": COMMIT.execution.id,
            "status": "Succeeded",
            "stages": [
                {
                    "name": "Build",
                    "status": "Succeeded",
                    "start": "2026-11-21T12:00:01.000+00:00",
                    "seconds": 4.0,
                }
            ],
        }
    ]
    assert (summary["phases"], summary["wall_seconds"]) == ({"deploy": 3.04}, 30.5)
