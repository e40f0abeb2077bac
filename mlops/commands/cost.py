"""`mlops cost`: what a run has cost, or what an idle month costs, at list prices."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.commands.common import EnvOption, JsonOption, connect
from mlops.commands.runs import WHICH
from mlops.render import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.prices import CostLine

_USD = ".5f"


def cost(
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help=f"What a run has cost. {WHICH}")
    ] = None,
    month: Annotated[
        bool, typer.Option("--month", help="What an idle month costs (the default).")
    ] = False,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Estimate what a run has cost, or what a month costs in which nothing is run."""
    from mlops import cost_of_month, cost_of_pipeline, cost_of_run
    from mlops.runs import find_run

    if run is not None and month:
        raise typer.BadParameter("--run and --month are two questions: ask one of them")
    output = Output(as_json)
    deployment = connect(env, output)
    if run is not None:
        found = find_run(deployment, run)
        subject = f"run {found.name} on {found.dataset}"
        lines = [
            *cost_of_pipeline.cost_of_pipeline(deployment, found),
            *cost_of_run.cost_of_run(deployment.target, found),
        ]
        _print(output, subject, lines, cost_of_run.NOT_COUNTED)
        return
    subject = f"a month of {deployment.project.name} {env} in which nothing is run"
    _print(output, subject, cost_of_month.cost_of_month(deployment), cost_of_month.NOT_COUNTED)


def _print(output: Output, subject: str, lines: Sequence[CostLine], left_out: str) -> None:
    from mlops.prices import price_list

    total = sum(line.usd or 0.0 for line in lines)
    disclaimer = price_list().disclaimer
    if output.as_json:
        listed = [asdict(line) for line in lines]
        known = {"subject": subject, "lines": listed, "usd": total}
        output.document({**known, "prices": disclaimer, "not_counted": left_out})
        return
    output.note(subject)
    output.rows(("item", "quantity", "unit", "USD", ""), map(_row, lines), "nothing")
    unknown = sum(line.usd is None for line in lines)
    more = f" and {unknown} without a price" if unknown else ""
    output.note(f"total {total:{_USD}} USD{more}; {disclaimer}")
    output.note(left_out)


def _row(line: CostLine) -> tuple[str, ...]:
    usd = "no price" if line.usd is None else f"{line.usd:{_USD}}"
    return (line.item, f"{line.quantity:.6g}", line.unit, usd, line.remark)
