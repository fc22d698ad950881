"""``pix2z export``: a trained network as a Keras file."""

from pathlib import Path
from typing import Annotated

import typer

from pix2z.cli.reading import check_output

__all__ = ["export"]


def export(
    member: Annotated[Path, typer.Argument(help="Folder of one network, as models/full/seed-1.")],
    out: Annotated[Path, typer.Option(help="File to write: .keras, or .h5 for older readers.")],
) -> None:
    """Write one trained network as .keras or .h5; load it with compile=False."""
    check_output(out, ".keras", ".h5")
    from pix2z.files import atomic_path
    from pix2z.network.estimator import load_member

    model = load_member(member).model
    with atomic_path(out, n_bytes=4 * model.count_params()) as partial:
        model.save(partial)
