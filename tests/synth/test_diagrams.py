"""The diagrams in docs/ are drawn from what is synthesized, and are drawn anew when it changes."""

from pathlib import Path

import pytest

from docs.diagrams import diagrams, draw_architecture, draw_state_machine, read_assembly, render
from tests.synth.assembly import Assembly

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", ["architecture.svg", "state-machine.svg"])
def test_a_diagram_in_docs_is_the_one_of_today(dev: Assembly, name: str) -> None:
    drawn = render(diagrams(read_assembly(dev.folder))[name])
    assert (DOCS / name).read_text(encoding="utf-8") == drawn, "run `make diagrams`"


def test_the_state_machine_shows_every_state_and_transition(dev: Assembly) -> None:
    dot = draw_state_machine(read_assembly(dev.folder))
    for name, state in dev.definition["States"].items():
        assert f"{name} [" in dot
        if "Next" in state:
            assert f"{name} -> {state['Next']}" in dot
        for choice in state.get("Choices", []):
            assert f"{name} -> {choice['Next']} [" in dot


def test_every_task_that_catches_is_counted(dev: Assembly) -> None:
    catching = [s for s in dev.definition["States"].values() if s.get("Catch")]
    explained = [s for s in catching if s["Catch"][0]["Next"] == "ExplainFailure"]
    dot = draw_state_machine(read_assembly(dev.folder))
    assert f"{len(explained)} tasks\\nStates.ALL" in dot


def test_the_architecture_follows_the_data_from_bucket_to_endpoint(dev: Assembly) -> None:
    dot = draw_architecture(read_assembly(dev.folder))
    for arrow in (
        '"ModelCode" -> "ModelPipeline" [label="commits"]',
        '"ModelPipeline" -> "TrainingStateMachine" [dir=forward label="starts"',
        '"BuildProjectF5A2FAB6" -> "Repository22E53BBD" [dir=forward label="pushes"',
        '"PrepareRunLambda" -> "image parameter" [dir=back label="reads"',
        '"PipelineFailedLambda" -> "RunTopic" [dir=forward label="notifies"',
        'label="Object Created\\n*/_MANIFEST.json\\nEventBridge rule"',
        '"StartRunLambda" -> "TrainingStateMachine" [dir=forward label="starts"',
        '"RunEndedLambda" -> "RunTopic" [dir=forward label="notifies"',
        'TrainingStateMachine -> "TrainModel job"',
        '"TrainModel job" -> "Bucket83908E77" [dir=both label="reads, writes"',
        '"ModelRegistryLambda" -> "ModelPackageGroup" [dir=forward label="registers"',
        '"ModelTestLambda" -> "staging endpoint" [dir=forward label="invokes"',
    ):
        assert arrow in dot
