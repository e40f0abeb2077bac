"""The project with settings that another account needs, synthesized."""

import re
import shutil
from pathlib import Path

from stacks.settings_file import ENVIRONMENTS
from tests.synth.assembly import ROOT, Assembly, run_app

BOUNDARY = "arn:aws:iam::111122223333:policy/Boundary"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BUCKET, REPOSITORY = "company-data", "company/models"
EMAIL, URL = "team@example.com", "https://events.example.com/enqueue"

# Lines that go below a table's header, by environment's name of the variant.
ORGANISATION = {
    "[account]": f"""
permissions_boundary_arn = "{BOUNDARY}"
role_path = "/mlops/"
role_name_prefix = "mlops-"
qualifier = "mlops"
""",
    "[account.tags]": 'cost-center = "1234"\nowner = "Team One"\n',
    "[account.network]": """
subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
security_group_ids = ["sg-0123456789abcdef0"]
""",
    "[trigger]": 'schedule = "cron(0 3 ? * MON *)"\nschedule_dataset = "v1.0"\n',
    "[monitoring]": f"""
[environments.dev.notifications]
emails = ["{EMAIL}"]
https_urls = ["{URL}"]
slack = {{ workspace_id = "T01234567", channel_id = "C01234567" }}
[environments.dev.monitoring]
budget_scope = "project"
[monitoring]
""",
}
EXISTING = {
    "[account.tags]": 'Project = "of the company"\n',
    "[storage]": f"""
existing_bucket_name = "{BUCKET}"
existing_key_arn = "{KEY}"
existing_repository_name = "{REPOSITORY}"
""",
    "[monitoring]": "[environments.dev.monitoring]\nmonthly_budget_usd = 0\n[monitoring]\n",
}
CONNECTION = {"[environments.dev]": 'model_code.source = "github:company/models"\n'}
LONGEST_PROJECT = "a-name-of-20-letters"
VARIANTS = {"organisation": ORGANISATION, "existing": EXISTING, "connection": CONNECTION}


def synthesize(variant: str, folder: Path) -> Assembly:
    """Synthesize the project in `folder` with a variant's settings; it shares all else."""
    settings = (ROOT / "mlops.toml").read_text()
    for table, lines in VARIANTS[variant].items():
        header = f"{table}\n"
        assert header in settings
        new = lines if header in lines else f"{header}{lines}"
        settings = settings.replace(header, new, 1)
    return _synthesize(settings, folder, "dev")


def synthesize_longest_names(folder: Path) -> Assembly:
    """Synthesize the project in `folder` as the longest that the settings allow to be called."""
    settings = (ROOT / "mlops.toml").read_text()
    renamed, count = re.subn(r'(?m)^name = ".*"$', f'name = "{LONGEST_PROJECT}"', settings, count=1)
    assert count == 1
    return _synthesize(renamed, folder, max(ENVIRONMENTS, key=len))


def _synthesize(settings: str, folder: Path, env: str) -> Assembly:
    project = folder / "project"
    project.mkdir()
    for name in ("stacks", "lambdas", "model_code", ".cache"):
        (project / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "app.py", project)
    (project / "mlops.toml").write_text(settings)
    done = run_app(folder / "out", app=project, env=env)
    assert done.returncode == 0, done.stderr
    return Assembly(folder / "out", env)
