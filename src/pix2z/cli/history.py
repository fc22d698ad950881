"""``pix2z history``: who promoted what, when and why."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pix2z.cli.display import console, plain, print_json, table
from pix2z.cli.registry_session import session

if TYPE_CHECKING:
    from pix2z.tracking.promotion.audit import Event

__all__ = ["history"]

COLUMNS = ("when", "what", "from", "to", "copy of", "CRPS", "by", "outcome", "why")


def history(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every promotion and rollback of the model in production, the oldest first.

    The outcome of each: champion (served now), replaced, or no effect
    (interrupted before its last write, or undone by hand). Times are UTC.
    """
    with session() as store:
        from pix2z.tracking.promotion.audit import outcomes, read_events
        from pix2z.tracking.promotion.versions import CHAMPION, read_versions, with_alias

        events = read_events(store.client)
        champion = with_alias(read_versions(store.client), CHAMPION)
    became = outcomes(events, champion.label if champion else None)
    if as_json:
        print_json([_as_json(*pair) for pair in zip(events, became, strict=True)])
        return
    if not events:
        console().print("Nothing was promoted yet; `pix2z promote` makes the better arm champion.")
        return
    shown = table(*COLUMNS, right=("CRPS",))
    for event, outcome in zip(events, became, strict=True):
        shown.add_row(*(plain(cell) for cell in _cells(event, outcome)))
    console().print(shown)


def _as_json(event: "Event", outcome: str) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(event), "outcome": outcome}


def _cells(event: "Event", outcome: str) -> list[str]:
    from pix2z.evaluation.metric_names import format_value

    reason = f"{event.reason} (new test set)" if event.new_test_set else event.reason
    return [
        event.time[:16].replace("T", " "),
        event.action,
        event.from_version or "–",
        event.to_version,
        event.source,
        format_value("crps", event.metrics.get("crps")),
        event.user,
        outcome,
        reason.strip() or "–",
    ]
