"""What the roles were allowed, and denied: `python -m local_account.authorization STATE`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from local_account.authorization.record import Line
from local_account.authorization.replay import Snapshot, exercised, load, statements_of


def report(accesses: list[Line], policies: Snapshot) -> Iterator[str]:
    """Yield, for every role and resource, its statements and how many accesses each allowed."""
    counts = exercised(accesses)
    holder = None
    for statement, entry in statements_of(policies):
        if statement.holder != holder:
            holder = statement.holder
            yield holder
        text = json.dumps({name: entry[name] for name in sorted(entry)})
        yield f"  {counts.get(statement, 0):5}  {statement.policy}[{statement.number}]  {text}"
    for line in accesses:
        if line["decision"] == "denied":
            what = f"{line['action']} on {line['resource']}"
            yield f"DENIED {line['principal']}: {what} {line['reason']}"


def main() -> None:
    """Print the report of an account's state folder."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m local_account.authorization STATE")
    print("\n".join(report(*load(Path(sys.argv[1])))))


if __name__ == "__main__":
    main()
