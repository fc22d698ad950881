"""Versions of trained networks as the registry keeps them, for the tests of serving."""

from pathlib import Path

from pix2z.files import read_json
from pix2z.tracking.packaging import save_model
from pix2z.tracking.served_forms import POOL, ServedForm


def save_version(target: Path, networks: Path, form: ServedForm = POOL) -> str:
    """Save what registration would log of a pool or spectrum network; return its digest."""
    save_model(target, networks, form)
    return read_json(networks / form.described_by)["digest"]
