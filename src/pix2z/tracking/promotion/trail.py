"""The trail of promotions: events as tags of the registry and in promotions.json."""

from pathlib import Path

from pix2z.tracking.store import Store

__all__ = ["restore_aliases"]


def restore_aliases(store: Store, root: Path) -> None:
    """Give a store without a champion the one that promotions.json under `root` names."""
