"""``pix2z export``: a trained network as a Keras file, or a whole model as an ONNX file."""

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
    model: Annotated[
        str, typer.Argument(help="One network of a model, as full/seed-1; for .onnx also a model.")
    ],
    out: Annotated[
        Path, typer.Option(help="File to write: .onnx, .keras, or .h5 for older readers.")
    ],
) -> None:
    """Write one trained network as .keras or .h5, one or all of a model as .onnx.

    A Keras file is loaded with compile=False.
    """
    check_output(out, ".onnx", ".keras", ".h5")
    networks = _networks(model, several=out.suffix == ".onnx")
    if out.suffix == ".onnx":
        _as_onnx(networks, out)
    else:
        _as_keras(networks[0], out)
    say("What it gives is not calibrated; pix2z.load gives the calibrated PDFs of the whole model.")


def _as_onnx(networks: list[Path], out: Path) -> None:
    from pix2z.network.onnx_form import write_onnx_form

    write_onnx_form(out, networks)
    one = f"the network of {networks[0]}"
    several = f"the {len(networks)} networks of {networks[0].parent}, averaged"
    say(f"{out}: {one if len(networks) == 1 else several}. Next, in Python:")
    say("import onnxruntime")
    say(f"session = onnxruntime.InferenceSession({json.dumps(str(out))})")
    say('session.run(None, {"images": images, "ebv": ebv})[0]')


def _as_keras(folder: Path, out: Path) -> None:
    from pix2z.files import atomic_path
    from pix2z.network.estimator import load_member

    logging.getLogger("absl").setLevel(logging.ERROR)  # Keras advises against .h5
    member = load_member(folder)
    with atomic_path(out, n_bytes=4 * member.model.count_params()) as partial:
        member.model.save(partial)
    say(f"{out}: the {member.architecture} network of {folder}. Next, in Python:")
    say("import pix2z.network.layers, keras")  # the first imports TensorFlow without a word
    say(f"model = keras.models.load_model({json.dumps(str(out))}, compile=False)")


def _networks(spec: str, *, several: bool) -> list[Path]:
    """Return the folders of what `spec` names, from here or below a model's folder.

    several : whether a model of several networks may be meant.
    """
    from pix2z.saved.sealed import read_pool
    from pix2z.tracking.checkout import models_home
    from pix2z.tracking.model_names import POOLS, SPECTRA

    home = models_home()
    named = (Path(spec), *(home / at / spec for at in POOLS.folders), home / spec)
    for folder in named:
        if (folder / SAVED).is_file():
            return [folder]
        if several and (folder / POOLS.saved).is_file():
            return [folder / name for name in read_pool(folder)["members"]]
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
