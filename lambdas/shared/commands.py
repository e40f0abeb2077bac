"""Commands that messages tell people to type, as they can be typed."""

DEFAULT_ENVIRONMENT = "dev"


def mlops(words: str, environment_name: str) -> str:
    """Return a call of the command line for the environment that this Lambda belongs to."""
    option = "" if environment_name == DEFAULT_ENVIRONMENT else f" --env {environment_name}"
    return f".venv/bin/mlops {words}{option}"
