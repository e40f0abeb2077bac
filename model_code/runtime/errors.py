"""What can go wrong, grouped by who must fix it.

ModelCodeError
├── UserError                  whoever owns the data and the settings of the job
│   ├── DataError              rows or files that break the data contract
│   ├── HyperparameterError    a name or value that the model module does not accept
│   └── JobInputError          a channel or input that is missing or has the wrong form
├── AlgorithmError             whoever wrote the model module or this runtime
│   └── ContractError          contract.toml does not describe a usable table
└── PlatformError              whoever runs the platform: an artifact damaged on its way
    └── ArtifactError

Each message is one line: what was found, where, what was expected, what to do.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_code.runtime.violations import Violation


class ModelCodeError(Exception):
    """Ends a command with one line and exit code 1."""


class UserError(ModelCodeError):
    """The data or the settings of the job must change."""


class DataError(UserError):
    """Rows or files that break the data contract.

    Parameters
    ----------
    violations
        The first violations, in the order of the files and lines.
    count
        How many there are in all.
    """

    def __init__(self, violations: Sequence["Violation"], count: int) -> None:
        self.violations = tuple(violations)
        self.count = count
        plural = "" if count == 1 else "s"
        listed = "; ".join(str(violation) for violation in self.violations)
        super().__init__(f"{count} contract violation{plural}: {listed}")


class HyperparameterError(UserError):
    """A hyperparameter's name, type or value is not accepted."""


class JobInputError(UserError):
    """An input of the job is missing or has the wrong form."""


class AlgorithmError(ModelCodeError):
    """The model module or this runtime must change."""


class ContractError(AlgorithmError):
    """The contract file does not describe a usable table."""


class PlatformError(ModelCodeError):
    """The platform must be repaired; the same job may succeed later."""


class ArtifactError(PlatformError):
    """A model artifact is missing, damaged or not one that training wrote."""
