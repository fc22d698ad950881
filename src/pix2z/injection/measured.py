"""What a model says of the same galaxies as rendered, alone, and in the frames of a field.

Three versions of every galaxy: `clean`, the stamp of the renderer's file, with the renderer's
neighbours, noise and seeing; `alone`, with the seeing and the pixel noise of the field and nothing
else; `real`, in the field itself, at a random place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import magnitude
from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms
from pix2z.field.frames import cut_all
from pix2z.injection.frames import STAMP_REACH, Frames, inject_in_rounds, light_around
from pix2z.injection.galaxies import DrawnGalaxies
from pix2z.injection.seeing import Seeing
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.sky.observing import pixel_variance
from pix2z.sky.rendering import render

if TYPE_CHECKING:
    from pix2z.catalogue.estimator import Estimator

__all__ = ["Answers", "InField", "answers", "in_field", "joined"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What a model says of N galaxies: terms of the metrics, and (N,) sums of `ImageFlag`."""

    terms: GalaxyTerms
    flags: NDArray[np.int32]


@dataclass(frozen=True)
class InField:
    """N galaxies in one field.

    real, alone : stamps (N, 32, 32, 5). fainter : (N,) magnitudes by which the light that the r
    frame holds within 6 arcsec of the place is fainter than all of the galaxy's; infinite where
    there is none.
    """

    real: NDArray[np.float32]
    alone: NDArray[np.float32]
    fainter: Array


def in_field(
    frames: Frames, seeing: Seeing, galaxies: DrawnGalaxies, rng: np.random.Generator
) -> InField:
    """Put every galaxy at a random place of the field, some at a time, and cut it out again."""
    real: list[NDArray[np.float32]] = []
    alone: list[NDArray[np.float32]] = []
    light: list[Array] = []
    rounds = inject_in_rounds(frames, seeing, galaxies.sources, rng, pixels=STAMP_REACH)
    for _, places, sources, changed in rounds:
        real.append(cut_all(changed, places.ra, places.dec))
        stamps = render(sources)
        variance = pixel_variance(stamps, np.broadcast_to(seeing.noise, (len(places), 5)))
        stamps += np.sqrt(variance) * rng.standard_normal(stamps.shape, np.float32)
        alone.append(stamps.transpose(0, 2, 3, 1))
        light.append(light_around(frames, places))
    here = magnitude(np.concatenate(light))
    fainter = np.where(np.isfinite(here), here - galaxies.mag_r, np.inf)
    return InField(np.concatenate(real), np.concatenate(alone), fainter)


def answers(
    estimator: "Estimator", images: NDArray[np.float32], galaxies: DrawnGalaxies
) -> Answers:
    """Ask a model for the redshifts of stamps (N, 32, 32, 5) of these galaxies."""
    estimate = estimator.estimate(images, galaxies.ebv)
    predictions = Predictions(
        grid=estimate.grid,
        density=estimate.density.astype(np.float32),
        row=np.arange(len(galaxies)),
        object_id=10 * galaxies.parent + galaxies.copy,
        group_id=galaxies.parent,
        z_spec=galaxies.z,
        z_phot=estimate.z_phot,
        mag_r=galaxies.mag_r.astype(np.float32),
        ebv=galaxies.ebv.astype(np.float32),
    )
    return Answers(galaxy_terms([predictions]), estimate.flags)


def joined(parts: Sequence[Answers]) -> Answers:
    """Return the answers of several fields as of one sample."""
    names = [name for name in vars(parts[0].terms) if name != "grid"]
    columns = {k: np.concatenate([getattr(one.terms, k) for one in parts]) for k in names}
    flags = np.concatenate([one.flags for one in parts])
    return Answers(GalaxyTerms(grid=parts[0].terms.grid, **columns), flags)
