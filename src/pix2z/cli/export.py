"""``pix2z export``: a trained network as a Keras file, or a whole model as an ONNX file."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from pix2z.cli.display import say, say_in_words
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
    from pix2z.tracking.kinds import POOLS
    from pix2z.tracking.model_names import SHIPPED

    check_output(out, ".onnx", ".keras", ".h5")
    _refuse_model_folder(out)
    folder = _found(model)
    is_network, is_model = ((folder / name).is_file() for name in (SAVED, POOLS.saved))
    if out.suffix == ".onnx" and (is_network or is_model):
        _as_onnx(folder, out)
    elif is_network:
        _as_keras(folder, out)
    elif folder == SHIPPED:
        raise InputError(f"{model}: comes with pix2z as ONNX alone; expected --out to end in .onnx")
    else:
        members = sorted(path.parent for path in folder.glob(f"*/{SAVED}"))
        holds = f"{len(members)} network{'s' if len(members) > 1 else ''}"
        holds += "" if is_model else " of a training that did not end"
        raise InputError(
            f"{folder}: holds {holds}, and one is exported at a time; expected one of "
            f"{', '.join(_name_of(member, model) for member in members)}"
        )
    say_in_words(
        "What it gives is not calibrated; pix2z.load gives the calibrated PDFs of the whole model."
    )


def _refuse_model_folder(out: Path) -> None:
    """Raise InputError where the file would lie among those that make up a model."""
    from pix2z.files import destination
    from pix2z.tracking.kinds import POOLS, SPECTRA

    folder = destination(out).parent
    if any((folder / name).is_file() for name in (SAVED, POOLS.saved, SPECTRA.saved)):
        raise InputError(f"{out}: {folder} is the folder of a model; expected a file elsewhere")


def _found(model: str) -> Path:
    """Return the folder of one network, of a model, or of a training that did not end."""
    from pix2z.tracking.model_names import resolve_pool

    if network := _here(model, SAVED):
        return network
    try:
        return resolve_pool(model)
    except InputError as error:
        if unfinished := _here(model, f"*/{SAVED}"):
            return unfinished
        raise InputError(f"{error}; one network is named as full/seed-1") from error


def _here(name: str, holds: str) -> Path | None:
    """Return the folder of that name, from here or in the checkout, with a file `holds`."""
    from pix2z.tracking.checkout import models_home
    from pix2z.tracking.kinds import POOLS

    home = models_home()
    named = (Path(name), *(home / at / name for at in POOLS.folders), home / name)
    return next((folder for folder in named if any(folder.glob(holds))), None)


def _name_of(network: Path, model: str) -> str:
    """Return what names a network of a model: full/seed-1, or its folder where that is none."""
    name = str(Path(model) / network.name)
    return name if _here(name, SAVED) == network else str(network)


def _as_onnx(folder: Path, out: Path) -> None:
    say_in_words(f"{out}: {_write_onnx(folder, out)}. Next, in Python:")
    say("import onnxruntime")
    say(f"session = onnxruntime.InferenceSession({json.dumps(str(out))})")
    say('session.run(None, {"images": images, "ebv": ebv})[0]')


def _write_onnx(folder: Path, out: Path) -> str:
    """Write a network, or a model, as ONNX and say what it is; what a model brings is copied."""
    from pix2z.files import atomic_path
    from pix2z.saved.sealed import has_onnx_form, read_onnx_form, read_pool
    from pix2z.tracking.kinds import POOLS
    from pix2z.tracking.model_names import SHIPPED, STUDENT

    networks, content = [folder], None
    if (folder / POOLS.saved).is_file():
        described = read_pool(folder)
        networks = [folder / name for name in described["members"]]
        content = read_onnx_form(folder, described) if has_onnx_form(described) else None
    if content is None:
        from pix2z.network.onnx_form import write_onnx_form

        write_onnx_form(out, networks)
    else:
        with atomic_path(out) as partial:
            partial.write_bytes(content)
    if folder == SHIPPED:
        return f"the network that comes with pix2z ({STUDENT})"
    if len(networks) == 1:
        return f"the network of {networks[0]}"
    return f"the {len(networks)} networks of {folder}, averaged"


def _as_keras(folder: Path, out: Path) -> None:
    from pix2z.files import atomic_path
    from pix2z.network.estimator import load_member

    logging.getLogger("absl").setLevel(logging.ERROR)  # Keras advises against .h5
    member = load_member(folder)
    with atomic_path(out, n_bytes=4 * member.model.count_params()) as partial:
        member.model.save(partial)
    say_in_words(f"{out}: the {member.architecture} network of {folder}. Next, in Python:")
    say("import pix2z.network.layers, keras")  # the first imports TensorFlow without a word
    say(f"model = keras.models.load_model({json.dumps(str(out))}, compile=False)")
