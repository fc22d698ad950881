"""A pool that ONNX Runtime computes: images -> Redshifts, on all cores, without Keras.

It reads what a training left: pool.json, which seals the rest, pool.onnx, and what the first member
says of itself. Answers are those of `network.estimator` to 1e-5 of a probability.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pix2z.dataset.stamps import clean_images, doubtful_rows, known_ebv, plain_stamps
from pix2z.errors import InputError
from pix2z.inference.sessions import open_session, outputs_of
from pix2z.process import cores
from pix2z.redshift_pdf.flags import ImageFlag
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import Calibration, Redshifts, image_flags, redshifts
from pix2z.saved.sample_density import SampleDensity, features_of_photometry
from pix2z.saved.sealed import (
    ONNX_FORM,
    calibration_of,
    has_onnx_form,
    read_onnx_form,
    read_pool,
    read_sealed,
    sample_density_of,
)

__all__ = ["Estimator", "load_pool"]

BLOCK = 512
"""Stamps that a thread takes at a time, 10 MB."""


@dataclass(frozen=True, eq=False)
class Estimator:
    """A pool of networks as one graph, and the calibration of what leaves it; by `load_pool`."""

    session: onnxruntime.InferenceSession
    calibration: Calibration
    digest: str
    grid: RedshiftGrid
    record: Mapping[str, Any]
    """What its first network says of its training."""
    sample_density: SampleDensity | None = None
    """Of the training sample; None of one that was too small: no galaxy is called unlike it."""

    def __repr__(self) -> str:
        """Name, digest and bins: what a notebook shows of it."""
        return f"{self.arm}: digest {self.digest[:12]}, {self.grid.n_bins} redshift bins"

    @property
    def arm(self) -> str:
        """Name of the training that it comes from."""
        return str(self.record.get("arm", "unknown"))

    def estimate(self, images: Any, ebv: Any = None) -> Redshifts:
        """Estimate the redshifts of images, as ``pix2z predict`` does.

        A galaxy has the same answer whichever are beside it.

        Parameters
        ----------
        images : (N, 32, 32, 5) in nanomaggies, bands u g r i z last. NaN, or the mask of a masked
            array, marks a masked pixel; a band that is absent is all NaN, or all 0. What carries
            another unit, as astropy's Quantity does, is converted.
        ebv : (N,) Galactic E(B-V) in mag, or one value for all; NaN, masked or None where unknown.
            One that is negative or above 3 mag counts as unknown.

        Raises
        ------
        InputError
            An array has another shape, a unit of another quantity, or holds no real numbers.
        """
        images, ebv = plain_stamps(images, ebv)
        if len(images) == 1:  # numpy's product with one row rounds otherwise than with several
            both = self._block(np.repeat(images, 2, axis=0), np.repeat(ebv, 2))
            return _joined([both], n=1)
        n_blocks = -(-len(images) // BLOCK)
        if n_blocks < 2:
            return self._block(images, ebv)
        edges = np.linspace(0, len(images), n_blocks + 1).astype(int)  # none with a single row
        blocks = [slice(first, last) for first, last in pairwise(edges)]
        with ThreadPoolExecutor(min(cores(), len(blocks))) as threads:
            parts = list(threads.map(lambda rows: self._block(images[rows], ebv[rows]), blocks))
        return _joined(parts, n=len(images))

    def _block(self, images: NDArray[Any], ebv: NDArray[Any]) -> Redshifts:
        with np.errstate(over="ignore", invalid="ignore"):  # as `clean_images` has it
            images, ebv = images.astype(np.float32, copy=False), known_ebv(ebv)
        rows = doubtful_rows(images)
        stamps = clean_images(images[rows])
        flags = np.asarray(ImageFlag.EBV_UNKNOWN * np.isnan(ebv), np.int32)
        flags[rows] = image_flags(stamps, ebv[rows])
        if not len(images):
            return redshifts(
                np.zeros((0, self.grid.n_bins)), self.calibration, grid=self.grid, flags=flags
            )
        output, flux, log_sky = outputs_of(self.session, images, ebv, apart=rows, stamps=stamps)
        if self.sample_density is not None:
            features = features_of_photometry(flux, log_sky, ebv)
            unlike = self.sample_density.is_unlike(features) & (flags & ImageFlag.BLANK == 0)
            flags = flags | np.where(unlike, ImageFlag.UNLIKE_SAMPLE, 0).astype(np.int32)
        raw = output.astype(np.float64)
        return redshifts(raw, self.calibration, grid=self.grid, flags=flags)


def _joined(parts: list[Redshifts], *, n: int) -> Redshifts:
    """Join parts, and keep the first n galaxies."""
    given = [part.given for part in parts if part.given is not None]
    return Redshifts(
        parts[0].grid,
        np.concatenate([part.density for part in parts])[:n],
        np.concatenate([part.image_flags for part in parts])[:n],
        np.concatenate(given)[:n] if given else None,
    )


def load_pool(folder: str | Path) -> Estimator:
    """Read a pool's ONNX form.

    Raises
    ------
    IntegrityError
        Something of it was altered.
    InputError
        It has no ONNX form, as those of earlier versions, or a file of it cannot be read.
    """
    folder = Path(folder)
    description = read_pool(folder)
    if not has_onnx_form(description):
        raise InputError(f"{folder}: has no {ONNX_FORM}, which earlier versions did not write")
    member = read_sealed(folder / next(iter(description["members"])) / "estimator.json")
    content = read_onnx_form(folder, description)
    return Estimator(
        session=open_session(content, name=str(folder / ONNX_FORM)),
        calibration=calibration_of(description["calibration"]),
        digest=description["digest"],
        grid=RedshiftGrid(**member["grid"]),
        record=member["record"],
        sample_density=sample_density_of(description),
    )
