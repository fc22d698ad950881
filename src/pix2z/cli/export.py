"""``pix2z export``: a trained network as a Keras file."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from pix2z.cli.display import say
from pix2z.cli.reading import check_output
from pix2z.errors import InputError

__all__ = ["export"]

SAVED = "estimator.json"


def export(
    network: Annotated[str, typer.Argument(help="One network of a model, as full/seed-1.")],
    out: Annotated[Path, typer.Option(help="File to write: .keras, or .h5 for older readers.")],
) -> None:
    """Write one trained network as .keras or .h5; load it with compile=False."""
    check_output(out, ".keras", ".h5")
    folder = _network(network)
    from pix2z.files import atomic_path
    from pix2z.network.estimator import load_member

    logging.getLogger("absl").setLevel(logging.ERROR)  # Keras advises against .h5
    member = load_member(folder)
    with atomic_path(out, n_bytes=4 * member.model.count_params()) as partial:
        member.model.save(partial)
    say(f"{out}: the {member.architecture} network of {folder}. Next, in Python:")
    say("import pix2z.network.layers, keras")  # the first imports TensorFlow without a word
    say(f"model = keras.models.load_model({json.dumps(str(out))}, compile=False)")
    say("What it gives is not calibrated; pix2z.load gives the calibrated PDFs of the whole model.")


def _network(spec: str) -> Path:
    """Return the folder of the network that `spec` names, from here or below a model's folder."""
    from pix2z.tracking.checkout import models_home
    from pix2z.tracking.model_names import POOLS, SPECTRA

    home = models_home()
    named = (Path(spec), *(home / at / spec for at in POOLS.folders), home / spec)
    for folder in named:
        if (folder / SAVED).is_file():
            return folder
    for folder in named:
        if members := sorted(folder.glob(f"*/{SAVED}")):
            one_of = ", ".join(str(Path(spec) / path.parent.name) for path in members)
            raise InputError(
                f"{folder}: holds {len(members)} networks, and one is exported at a time; expected "
                f"one of {one_of}"
            )
        if (folder / SPECTRA.saved).is_file():
            raise InputError(f"{folder}: is a {SPECTRA.noun}; expected a redshift network")
    raise InputError(f"{spec}: no trained network; expected one as full/seed-1, or its folder")
