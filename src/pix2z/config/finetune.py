"""Parameters of fine-tuning."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import PositiveFloat, PositiveInt

from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.ingest import IngestConfig
from pix2z.config.section import Frozen, Section, Seed
from pix2z.config.split import SplitConfig

__all__ = ["FewestRows", "FinetuneConfig", "FinetuneSettings"]


class FewestRows(Frozen):
    """Fewest galaxies in each part of a user's sample."""

    train: PositiveInt
    validation: PositiveInt
    calibration: PositiveInt
    test: PositiveInt


class FinetuneConfig(Section):
    """How a trained pool goes on training on a user's galaxies."""

    key: ClassVar[str] = "finetune"

    learning_rate: PositiveFloat
    """Of the first epoch; it falls along half a cosine to 1 % of it in the last.

    Measured on semi-real galaxies of another photometric calibration and more noise: with 1,600
    training galaxies, rates from 0.0001 to 0.001 end within 0.004 of one validation loss, which
    falls by 0.38 in all; with 200, those up to 0.0003 are better by 0.02 and more.
    """
    epochs: PositiveInt
    """At most."""
    patience: PositiveInt
    """Epochs without a lower validation loss before a training ends."""
    batch_size: PositiveInt
    seed: Seed
    """Of order, augmentation and dropout, together with the seed of each network."""
    fewest_rows: FewestRows
    """A sample with fewer in any part is refused."""


@dataclass(frozen=True)
class FinetuneSettings:
    """All sections of params.yaml that ``pix2z finetune`` reads."""

    ingest: IngestConfig
    split: SplitConfig
    finetune: FinetuneConfig
    evaluate: EvaluateConfig

    @classmethod
    def read(cls, path: Path) -> "FinetuneSettings":
        """Read them; raise ParamsError naming the first key at fault."""
        return cls(
            ingest=IngestConfig.read(path),
            split=SplitConfig.read(path),
            finetune=FinetuneConfig.read(path),
            evaluate=EvaluateConfig.read(path),
        )
