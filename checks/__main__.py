"""Judge cloud assemblies or folders of templates: what is wrong, as a table; then exit 1."""

import argparse
import sys
from pathlib import Path

from checks.acknowledgements import read
from checks.findings import CheckError
from checks.judge import judge
from checks.verdict import page_width, tell


def main() -> int:
    """Judge the folders that the arguments name."""
    parser = argparse.ArgumentParser(prog="checks", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--acknowledged", type=Path, help="the table of acknowledged findings")
    arguments = parser.parse_args()
    table = read(arguments.acknowledged) if arguments.acknowledged else []
    words, passed = tell(judge(arguments.folders), table, unused=False, width=page_width())
    print(words)
    return 0 if passed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CheckError as error:
        sys.exit(f"error: {error}")
