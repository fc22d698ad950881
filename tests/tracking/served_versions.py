"""Versions of trained networks as the registry keeps them, for the tests of serving."""

from pathlib import Path

from mlflow.models import Model

from pix2z.files import read_json
from pix2z.tracking.packaging import ModelRecord, save_model
from pix2z.tracking.served_forms import POOL, ServedForm


def save_version(target: Path, networks: Path, form: ServedForm = POOL) -> str:
    """Save what registration would log of a pool or spectrum network; return its digest."""
    described = read_json(networks / ("pool.json" if form is POOL else "spectrum.json"))
    record = ModelRecord(
        name="pix2z-full",
        model_description="",
        folder=networks,
        members=tuple(described.get("members", ())),
        digest=described["digest"],
        run_id="",
        card="",
        tags={},
        form=form,
    )
    save_model(target, record, Model())
    return described["digest"]
