"""``pix2z rollback``: the previous champion again."""

from typing import Annotated

import typer

from pix2z.cli.display import console, plain
from pix2z.cli.registry_session import session

__all__ = ["rollback"]


def rollback(
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    break_lock: Annotated[
        bool, typer.Option("--break-lock", help="Take over the lock of a killed promotion.")
    ] = False,
) -> None:
    """Make the previous champion the champion again; a second rollback undoes the first.

    Exit code 3: there is no previous champion, its artifacts are gone, or somebody else is
    promoting.
    """
    with session() as store:
        from pix2z.tracking.promotion import production

        words = production.checked_reason(reason)
        moved = production.rollback(store, reason=words, break_lock=break_lock)
    console().print(
        plain(
            f"Rolled back: {moved.champion} ({moved.source}) is the champion again; "
            f"{moved.previous} is now the previous one."
        ),
        soft_wrap=True,
    )
