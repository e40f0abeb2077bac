"""``python -m mlops``: the same as the ``mlops`` script."""

from mlops.cli import main

main()
