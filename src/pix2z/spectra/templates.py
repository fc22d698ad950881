"""Templates: rest-frame spectra whose sums are fitted, how, and how a spectrum sees them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from pix2z.wavelengths import WavelengthGrid
from pix2z.wavelengths.lines import emission_templates

__all__ = ["PHASES", "Lattice", "Search", "Templates", "template_lattice", "with_emission_lines"]

Array = NDArray[np.float64]

PHASES = 4
"""Places of a template per pixel of a spectrum: the finest shift that is tried."""


@dataclass(frozen=True, eq=False)
class Templates:
    """Rest-frame spectra on common wavelengths.

    wavelength : (M,) Angstrom in vacuum, increasing. flux : (T, M) per Angstrom, any scale.
    non_negative : whether only sums with weights of 0 or more are galaxies. True for spectra of
    stars, gas or galaxies; False for a basis whose vectors are differences, as of a PCA.

    Raises
    ------
    ValueError
        Shapes do not fit together, or a number is not finite.
    """

    wavelength: Array
    flux: Array
    non_negative: bool

    def __post_init__(self) -> None:
        """Check shapes and values."""
        wavelength, flux = self.wavelength, self.flux
        if wavelength.ndim != 1 or len(wavelength) < 4:
            raise ValueError(f"templates: expected 4 wavelengths or more; got {wavelength.shape}")
        if flux.ndim != 2 or flux.shape[1] != len(wavelength) or not len(flux):
            raise ValueError(
                f"templates: expected flux (T, {len(wavelength)}), T of 1 or more; got {flux.shape}"
            )
        if not (np.isfinite(wavelength).all() and np.isfinite(flux).all()):
            raise ValueError("templates: expected finite wavelengths and fluxes")
        if wavelength[0] <= 0 or not (np.diff(wavelength) > 0).all():
            raise ValueError("templates: expected positive, increasing wavelengths")

    def __len__(self) -> int:
        """Return the number of templates."""
        return len(self.flux)


@dataclass(frozen=True)
class Search:
    """Settings of a search; the defaults are for spectra that were measured.

    z_min, z_max : first and last redshift.
    degree : of the polynomial that is added to the templates.
    n_templates : how many of the templates are fitted, from the first; None for all.
    n_pixels : means over neighbouring wavelengths that are fitted; None for all wavelengths. The
    error of a mean is the mean of the errors, not less: where a network is wrong it is so at
    neighbouring wavelengths alike.

    Raises
    ------
    ValueError
        A number makes no sense.
    """

    z_min: float = -0.005
    z_max: float = 0.6
    degree: int = 2
    n_templates: int | None = None
    n_pixels: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not -1 < self.z_min < self.z_max < np.inf:
            raise ValueError(
                f"expected -1 < first < last redshift; received {self.z_min:g}, {self.z_max:g}"
            )
        for name, least in (("degree", 0), ("n_templates", 1), ("n_pixels", 16)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"expected {name} of {least} or more; received {value}")


LINE_SIGMA = 120.0
"""km/s: SDSS's spectrograph (70) and the gas of a galaxy (100)."""

LINE_STEP = 1e-4 * float(np.log(10))
"""ln of wavelength, as SDSS's pixels: 69 km/s."""


def with_emission_lines(templates: Templates) -> Templates:
    """Add emission lines as templates of their own, as narrow as SDSS shows them.

    The templates are interpolated to steps that hold a line (cubic splines).
    """
    first, last = np.log(templates.wavelength[[0, -1]])
    ln_wavelength = first + LINE_STEP * np.arange(int((last - first) / LINE_STEP) + 1)
    spline = make_interp_spline(np.log(templates.wavelength), templates.flux, k=3, axis=1)
    wavelength = np.exp(ln_wavelength)
    lines = emission_templates(wavelength, sigma=LINE_SIGMA)
    flux = np.concatenate([spline(ln_wavelength), lines])
    return Templates(wavelength, flux, non_negative=templates.non_negative)


@dataclass(frozen=True, eq=False)
class Lattice:
    """Templates at steps of a fraction of a pixel, and where they are known.

    Pixel i of a spectrum at place q sees ``flux[q % PHASES, :, q // PHASES + i]``; place q is the
    redshift ln(1 + z) = ln_first - q * step. `flux` is (PHASES, T, n), `known` (PHASES, n) is 1
    where the templates reach, else 0, and fluxes there are 0. Templates have rms 1 where known.
    """

    flux: Array
    known: Array
    ln_first: float
    step: float
    n_places: int

    def at(self, place: int, n: int) -> tuple[Array, Array]:
        """Templates (T, n) and where they are known (n,), as n pixels see them at a place."""
        phase, first = place % PHASES, place // PHASES
        return self.flux[phase, :, first : first + n], self.known[phase, first : first + n]


def template_lattice(
    templates: Templates, grid: WavelengthGrid, search: Search, *, margin: int
) -> Lattice:
    """Interpolate templates (cubic splines in ln wavelength) to where a spectrum will look.

    Parameters
    ----------
    grid : wavelengths of the spectra, observed.
    margin : places beyond both ends, for a look around a minimum there.
    """
    step = grid.step / PHASES
    chosen = templates.flux[: search.n_templates]
    first, last = np.log1p(search.z_min), np.log1p(search.z_max)
    n_places = int(np.ceil((last - first) / step)) + 1 + 2 * margin
    ln_first = first + (n_places - 1 - margin) * step
    n = grid.n + -(-n_places // PHASES)
    position = np.log(grid.low) - ln_first + step * np.arange(PHASES * n)
    ln_wavelength = np.log(templates.wavelength)
    known = (position >= ln_wavelength[0]) & (position <= ln_wavelength[-1])
    flux = np.zeros((len(chosen), len(position)))
    if known.any():
        spline = make_interp_spline(ln_wavelength, chosen, k=3, axis=1)
        flux[:, known] = spline(position[known])
        rms = np.sqrt((flux[:, known] ** 2).mean(axis=1))
        flux /= np.where(rms > 0, rms, 1.0)[:, None]
    return Lattice(
        flux=np.ascontiguousarray(flux.reshape(-1, n, PHASES).transpose(2, 0, 1)),
        known=np.ascontiguousarray(known.reshape(n, PHASES).T, np.float64),
        ln_first=float(ln_first),
        step=step,
        n_places=n_places,
    )
