"""CodePipeline: pipelines whose actions really run, with the rights of their roles."""

from local_account.service import Account
from local_account.services.codebuild import CodeBuild
from local_account.services.codecommit import CodeCommit
from local_account.services.codepipeline.actions import Provider
from local_account.services.codepipeline.approvals import ask
from local_account.services.codepipeline.builds import Builds
from local_account.services.codepipeline.events import Emit
from local_account.services.codepipeline.executions import Executions
from local_account.services.codepipeline.invocations import invoke_state_machine
from local_account.services.codepipeline.sources import CodeCommitSources, from_connection


class CodePipeline(Executions):
    """The CodePipeline API, and the pipelines behind it."""

    def __init__(
        self, account: Account, emit: Emit, codecommit: CodeCommit, codebuild: CodeBuild
    ) -> None:
        builds = Builds(codebuild)
        providers: dict[tuple[str, str], Provider] = {
            ("Source", "CodeCommit"): CodeCommitSources(codecommit),
            ("Source", "CodeStarSourceConnection"): from_connection,
            ("Build", "CodeBuild"): builds,
            ("Test", "CodeBuild"): builds,
            ("Invoke", "StepFunctions"): invoke_state_machine,
            ("Approval", "Manual"): ask,
        }
        super().__init__(account, emit, providers)
