"""The one line that chooses the model module: what it imports as ``model`` is trained."""

from model_code import model

__all__ = ["model"]
