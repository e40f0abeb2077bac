"""What a check found, in words that one can act on."""

from dataclasses import dataclass

OWN = "checks"


@dataclass(frozen=True, order=True)
class Finding:
    """One mistake: which tool's rule, where, what is there and what should be."""

    tool: str
    rule: str
    stack: str
    resource: str
    found: str
    expected: str

    @property
    def place(self) -> str:
        """Stack and resource, as the table shows them."""
        return f"{self.stack} / {self.resource}" if self.stack else self.resource


class CheckError(Exception):
    """A check cannot do its work; the message is one line."""
