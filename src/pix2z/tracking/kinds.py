"""The two kinds of models: pools of redshift networks, and networks that make spectra.

Served models import this module too, so it imports nothing that their requirements do not name.
"""

from dataclasses import dataclass

from pix2z.tracking.versions import FINETUNED, PRODUCTION

__all__ = ["POOLS", "SPECTRA", "Kind"]


@dataclass(frozen=True)
class Kind:
    """A kind of model: where it lies in a checkout, and how the registry holds it."""

    noun: str
    command: str
    """What takes such models."""
    folders: tuple[str, ...]
    """Below the checkout; a name is a folder in the first of them that has it."""
    saved: str
    """The file that tells such a folder from others, with the digest of all."""
    production: str
    """The registered model whose champion is taken where none is named."""
    digest_tag: str
    """Tag of a version: the digest of what was registered."""
    artifact: str
    """Name of the folder of the networks in a version."""

    @property
    def files(self) -> str:
        """That folder, below the model as MLflow saves it."""
        return f"artifacts/{self.artifact}"


POOLS = Kind(
    noun="model",
    command="pix2z predict",
    folders=("models", FINETUNED),
    saved="pool.json",
    production=PRODUCTION,
    digest_tag="pool_digest",
    artifact="pool",
)
"""Pools of redshift networks."""

SPECTRA = Kind(
    noun="spectrum model",
    command="pix2z spectrum",
    folders=("spectrum/models",),
    saved="spectrum.json",
    production=f"{PRODUCTION}-spectrum",  # `config.arms.SPECTRUM_MODEL`, which would import YAML
    digest_tag="spectrum_digest",
    artifact="network",
)
"""Networks that make a spectrum out of images: one registered model, whose aliases are the arms."""
