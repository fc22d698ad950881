"""A saved spectrum network by name: an arm or a folder."""

from pathlib import Path

from pix2z.errors import InputError

__all__ = ["SPECTRUM_MODELS", "known_spectrum_models", "resolve_spectrum_model"]

SPECTRUM_MODELS = "spectrum/models"
"""Folder of trained spectrum arms, in the root of the repository."""

_SAVED = "spectrum.json"


def resolve_spectrum_model(spec: str, *, root: Path = Path()) -> Path:
    """Return the folder that `spec` names, for `spectrum_estimator.load_spectrum_estimator`.

    Parameters
    ----------
    spec : the name of a spectrum arm (``full``: spectrum/models/full), or a folder with
        spectrum.json.
    root : folder with spectrum/models.

    Raises
    ------
    InputError
        Nothing of that name; the message lists what there is.
    """
    for folder in (root / SPECTRUM_MODELS / spec, root / spec, Path(spec)):
        if spec and (folder / _SAVED).is_file():
            return folder
    expected = ", ".join([*known_spectrum_models(root), f"a folder with {_SAVED}"])
    raise InputError(f"spectrum model {spec!r}: not found; expected one of {expected}")


def known_spectrum_models(root: Path) -> list[str]:
    """Names of the arms under spectrum/models that `resolve_spectrum_model` takes."""
    return [path.parent.name for path in sorted((root / SPECTRUM_MODELS).glob(f"*/{_SAVED}"))]
