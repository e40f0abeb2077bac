"""`mlops smoke`: the whole story once on a real account, and nothing of it left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops.commands.common import YesOption
from mlops.project import load_project
from mlops.render import Output
from mlops.target import find_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.prices import CostLine

_SAFETY = 2.0
"""How many times the estimate may be used where nobody says another limit."""


def smoke(
    yes: YesOption = False,
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, help="US dollars at which everything is stopped.")
    ] = None,
) -> None:
    """Deploy to environment `smoke`, build, train twice, predict, destroy; costs money on AWS."""
    from mlops.metering import total_usd
    from mlops.smoke import plan_of, run_smoke

    if yes and max_cost is None:
        raise typer.BadParameter("--yes asks nobody, so it needs --max-cost DOLLARS")
    project, target, output = load_project(), find_target(), Output()
    output.note(str(target))
    lines = plan_of(project).estimate()
    usd = total_usd(lines)
    limit = usd * _SAFETY if max_cost is None else max_cost
    _show(output, lines, usd, limit)
    if usd > limit:
        raise typer.BadParameter(f"--max-cost {limit:g} is less than the estimate, {usd:.2f} USD")
    if not yes:
        typer.confirm(f"Spend about {usd:.2f} USD in {target}?", abort=True)
    run_smoke(project, target, output, limit)


def _show(output: Output, lines: Sequence[CostLine], usd: float, limit: float) -> None:
    from mlops.prices import price_list

    rows = [(line.item, line.remark, f"{line.usd or 0:.3f}") for line in lines]
    output.rows(("item", "assumed", "USD"), rows, "nothing")
    output.note(f"estimate {usd:.2f} USD; everything is stopped and taken away at {limit:.2f} USD")
    output.note(price_list().disclaimer)
