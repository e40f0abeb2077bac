#!/usr/bin/env python3
"""mlops.toml → settings → stacks: the architecture at a glance."""

import sys
from pathlib import Path

from aws_cdk import App

from stacks.constructs.lambda_bundle import BundleError, bundle_lambdas
from stacks.constructs.organisation import organise
from stacks.model_code import ModelCodeStack
from stacks.settings_file import SettingsError, chosen_environment, load_settings
from stacks.storage import StorageStack
from stacks.training import TrainingStack

ROOT = Path(__file__).resolve().parent


def build(app: App) -> None:
    """Data and versions outlive deployments; data trains in one stack, commits begin in another."""
    environment = chosen_environment(app.node.get_all_context())
    settings = load_settings(ROOT / "mlops.toml", environment)
    organise(app, settings.project, settings.account)
    prefix = f"{settings.project.name}-{environment}"
    lambdas = bundle_lambdas(ROOT / "lambdas", ROOT / ".cache" / "lambdas")

    storage = StorageStack(app, f"{prefix}-storage", settings, environment)
    training = TrainingStack(
        app, f"{prefix}-training", settings, environment, lambdas=lambdas, storage=storage
    )
    ModelCodeStack(
        app,
        f"{prefix}-model-code",
        settings,
        environment,
        seed=ROOT / "model_code",
        lambdas=lambdas,
        storage=storage,
        training=training,
    )


if __name__ == "__main__":
    try:
        app = App()
        build(app)
        app.synth()
    except (SettingsError, BundleError) as error:
        sys.exit(f"error: {error}")
