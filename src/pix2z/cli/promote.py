"""``pix2z promote``: a version through the gate and into production."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pix2z.cli.display import console, plain, spinner, table
from pix2z.cli.process import quiet_import
from pix2z.cli.registry_session import session
from pix2z.errors import RefusedError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pix2z.tracking.promotion.gate import Check
    from pix2z.tracking.promotion.proposal import Proposal, Ranking
    from pix2z.tracking.store import Store

__all__ = ["promote"]

STYLES = {"passed": "green", "FAILED": "bold red", "not measured": "yellow"}


def promote(
    model: Annotated[
        str | None,
        typer.Argument(help="An arm as full, or a version as models:/pix2z-full/3. [the best arm]"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the decision; change nothing.")
    ] = False,
    new_test_set: Annotated[
        bool,
        typer.Option(
            "--new-test-set",
            help="Start a new line where the champion cannot be compared: it was tested on other "
            "galaxies, or its artifacts are gone. Limits hold all the same.",
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    break_lock: Annotated[
        bool, typer.Option("--break-lock", help="Take over the lock of a killed promotion.")
    ] = False,
) -> None:
    """Make a version the champion if it passes the gate; without MODEL, the best arm.

    The version is loaded from the registry and measured on its test galaxies:
    limits of params.yaml (section promotion), calibration, no significant loss
    against the champion on the same galaxies, and answers of the model as it
    would be served.

    Exit code 0: promoted, or the champion already. 3: refused, nothing changed.

    The best arm is the one with the lowest CRPS on these same galaxies, so that
    its own numbers are a little too good.
    """
    with session() as store:
        from pix2z.tracking.promotion import production

        words = production.checked_reason(reason)
        proposal = _proposal(store, model, new_test_set=new_test_set)
        out = console()
        show_proposal(out, proposal)
        if proposal.is_champion:
            return
        if not proposal.passed:
            raise RefusedError(proposal.refusal)
        if dry_run:
            out.print(f"\n{proposal.candidate.label} would be promoted. This is a dry run.")
            return
        chosen = proposal.ranking.short if proposal.ranking else ""
        moved = production.promote(store, proposal, reason=words or chosen, break_lock=break_lock)
    before = f"; {moved.previous} is now the previous one" if moved.previous else ""
    out.print()
    out.print(plain(f"Promoted: {moved.source} is now the champion, as {moved.champion}{before}."))
    out.print('Load it:  mlflow.pyfunc.load_model("models:/pix2z@champion")', markup=False)
    out.print("Serve it: pix2z serve")


def _proposal(store: "Store", model: str | None, *, new_test_set: bool) -> "Proposal":
    from pix2z.config.arms import read_arms
    from pix2z.config.evaluate import EvaluateConfig
    from pix2z.config.promotion import PromotionConfig
    from pix2z.tracking.promotion.judgement import Bench
    from pix2z.tracking.promotion.proposal import propose
    from pix2z.tracking.store import repository_root

    root = repository_root()
    params = root / "params.yaml"
    with spinner() as tell:
        bench = Bench(
            store=store,
            root=root,
            promotion=PromotionConfig.read(params),
            evaluate=EvaluateConfig.read(params),
            progress=tell,
            importing=quiet_import,
        )
        return propose(bench, read_arms(params), model=model, new_test_set=new_test_set)


def show_proposal(out: "Console", proposal: "Proposal") -> None:
    """Print how the candidate was chosen, and every line of the gate."""
    if proposal.ranking:
        _show_ranking(out, proposal.ranking)
    candidate, champion = proposal.candidate, proposal.champion
    if proposal.is_champion and champion is not None:
        out.print(plain(f"{candidate.label} is the champion already ({champion.label})."))
        return
    against = f" against the champion {champion.label} ({champion.source})" if champion else ""
    out.print(plain(f"{candidate.label}{against}:"), style="bold")
    out.print()
    if proposal.judgement:
        out.print(_gate_table(proposal.judgement.checks))


def _show_ranking(out: "Console", ranking: "Ranking") -> None:
    out.print(plain(ranking.words), soft_wrap=True)
    for words in ranking.passed_over.values():
        out.print(plain(f"Not compared: {words}"), style="yellow", soft_wrap=True)
    from pix2z.evaluation.metric_names import format_value

    shown = table("arm", "CRPS", "above", "95 % interval", "", right=("CRPS", "above"))
    for place, standing in enumerate(ranking.standings):
        crps, behind, low, high = (
            format_value("crps", value)
            for value in (standing.crps, standing.behind, standing.low, standing.high)
        )
        first = place == 0
        rest = ("", "", "the best") if first else (behind, f"{low} to {high}", standing.finding)
        shown.add_row(standing.arm, crps, *rest)
    out.print()
    out.print(shown)
    out.print()


def _gate_table(checks: "tuple[Check, ...]") -> "Table":
    """Every line of the gate; a blank one between kinds."""
    shown = table("check", "measured (95 % interval)", "expected", "verdict")
    kinds = [check.kind for check in checks]
    for check, before in zip(checks, [kinds[0], *kinds], strict=False):
        if check.kind != before:
            shown.add_row()
        verdict = Text(check.verdict, style=STYLES[check.verdict])
        shown.add_row(plain(check.name), plain(check.measured), plain(check.limit), verdict)
    return shown
