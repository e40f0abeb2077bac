"""Why a build ends: one line that says what was found, what was expected and what to do."""


class PipelineError(Exception):
    """Ends the build; its text is the last line of the log."""
