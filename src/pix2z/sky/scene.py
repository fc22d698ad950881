"""Draws -> the sources of each stamp: its galaxy, and now and then a neighbour."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pix2z.imaging import EXTINCTION_PER_EBV, PIXEL_SCALE, SKY_SIGMA, STAMP_SIDE
from pix2z.sky import morphology
from pix2z.sky.cosmology import kpc_per_arcsec
from pix2z.sky.draws import GALAXY_DRAWS
from pix2z.sky.observing import CALIBRATION_SIGMA, PSF_FWHM, correlated_scatter
from pix2z.sky.parents import Parents
from pix2z.sky.plan import StampPlan, flux_at, moved_redshift
from pix2z.sky.rendering import Sources

__all__ = ["Scene", "draw_scene"]

Array = NDArray[np.float64]
Uniforms = Mapping[str, Array]

NEIGHBOUR_SHARE = 0.12
EDGE_SHARE = 0.02
_FIXED_SIZE = (2.5, 0.45)
"""Median (arcsec) and ln scatter of half-light radii in the ablation without redshift: those of the
default sky."""

_STAR_LOCUS = np.array(
    [  # g - i, u - g, g - r, r - i, i - z: main sequence, rounded from Covey et al. (2007, table 3)
        [0.4, 1.05, 0.32, 0.08, 0.02],
        [1.0, 1.70, 0.72, 0.28, 0.14],
        [1.5, 2.30, 1.05, 0.45, 0.25],
        [2.0, 2.50, 1.28, 0.72, 0.39],
        [2.6, 2.55, 1.42, 1.18, 0.64],
    ]
)


@dataclass(frozen=True)
class Scene:
    """A block of N stamps, drawn but not rendered.

    z, ebv : (N,); sky_sigma : (N, 5) nanomaggies; calibration : (N, 5), seen over true flux;
    galaxy : the N sources that matter; neighbour : M more, in the stamps `neighbour_stamp` (M,).
    """

    z: Array
    ebv: Array
    sky_sigma: Array
    calibration: Array
    galaxy: Sources
    neighbour: Sources
    neighbour_stamp: NDArray[np.int64]


def draw_scene(
    parents: Parents,
    plan: StampPlan,
    uniforms: Uniforms,
    *,
    max_shift: float,
    size_depends_on_redshift: bool,
) -> Scene:
    """Turn the uniform draws of the stamps in `plan` into sources."""
    moved = plan.copy > 0
    z = parents.z[plan.row].copy()
    z[moved] = moved_redshift(
        parents,
        rows=plan.row[moved],
        uniform=uniforms["redshift"][moved],
        max_shift=max_shift,
    )
    # An unmoved stamp keeps its own line of sight; a moved one takes another parent's.
    elsewhere = parents.ebv[(uniforms["ebv"] * len(parents)).astype(np.int64)]
    ebv = np.where(moved, elsewhere, parents.ebv[plan.row])
    psf_fwhm = PSF_FWHM * correlated_scatter(uniforms["seeing"], uniforms["seeing_band"], sigma=0.1)
    calibration = np.exp(CALIBRATION_SIGMA * ndtri(uniforms["calibration"]))
    throughput = _transmission(ebv) * calibration
    galaxy = _galaxies(
        parents,
        rows=plan.row,
        z=z,
        flux=flux_at(parents, rows=plan.row, z=z) * throughput,
        psf_fwhm=psf_fwhm,
        uniforms={name: uniforms[f"galaxy_{name}"] for name in GALAXY_DRAWS},
        size_depends_on_redshift=size_depends_on_redshift,
    )
    chosen = np.flatnonzero(uniforms["neighbour"] < NEIGHBOUR_SHARE)
    return Scene(
        z=z,
        ebv=ebv,
        sky_sigma=np.array(SKY_SIGMA)
        * correlated_scatter(uniforms["sky"], uniforms["sky_band"], sigma=0.1),
        calibration=calibration,
        galaxy=galaxy,
        neighbour=_neighbours(
            parents,
            galaxy.take(chosen),
            throughput[chosen],
            {name: drawn[chosen] for name, drawn in uniforms.items()},
        ),
        neighbour_stamp=chosen,
    )


def _transmission(ebv: Array) -> Array:
    """Return what Galactic dust lets through in ugriz, (N, 5)."""
    result: Array = 10 ** (-0.4 * ebv[:, None] * np.array(EXTINCTION_PER_EBV))
    return result


def _galaxies(
    parents: Parents,
    *,
    rows: NDArray[np.int64],
    z: Array,
    flux: Array,
    psf_fwhm: Array,
    uniforms: Uniforms,
    size_depends_on_redshift: bool,
) -> Sources:
    """Draw the shapes of galaxies, centred within half a pixel of the stamp's centre."""
    colour = parents.colour[rows]
    early = morphology.draw_early(colour, uniforms["early"])
    if size_depends_on_redshift:
        kpc = morphology.half_light_radius_kpc(parents.absolute_r[rows], early, uniforms["size"])
        radius = kpc / kpc_per_arcsec(z)
    else:
        median, scatter = _FIXED_SIZE
        radius = median * np.exp(scatter * ndtri(uniforms["size"]))
    fraction_r = morphology.bulge_fraction_r(colour, early, uniforms["bulge"])
    disc, bulge = morphology.split_radius(radius, fraction_r, early, uniforms["radius_ratio"])
    cos_i = morphology.cos_inclination(colour, early, uniforms["inclination"])
    bulge_axis_ratio = 0.55 + 0.45 * uniforms["bulge_axis_ratio"]
    # The relation's radii are circular. Spheroids keep their area; discs keep their face-on radius,
    # the circular one of a disc at the median inclination of 60 degrees.
    median_axis_ratio = morphology.apparent_axis_ratio(np.array(0.5))
    return Sources(
        flux=flux,
        bulge_fraction=morphology.band_bulge_fractions(fraction_r, early, uniforms["bulge_colour"]),
        disc_half_light_radius=disc / np.sqrt(median_axis_ratio),
        bulge_half_light_radius=bulge / np.sqrt(bulge_axis_ratio),
        disc_axis_ratio=morphology.apparent_axis_ratio(cos_i),
        bulge_axis_ratio=bulge_axis_ratio,
        position_angle=180 * uniforms["angle"],
        offset_x=(uniforms["x"] - 0.5) * PIXEL_SCALE,
        offset_y=(uniforms["y"] - 0.5) * PIXEL_SCALE,
        psf_fwhm=psf_fwhm,
    )


def _neighbours(parents: Parents, host: Sources, throughput: Array, uniforms: Uniforms) -> Sources:
    """Place a star or another parent's galaxy beside each host, 0.5 to 4 magnitudes fainter in r.

    Uniform over the stamp and two pixels around it, outside 2 arcsec of the host's centre.
    """
    rows = (uniforms["neighbour_parent"] * len(parents)).astype(np.int64)
    star = uniforms["neighbour_kind"] < 0.5
    intrinsic = np.where(
        star[:, None], _star_flux(uniforms["neighbour_colour"]), parents.flux[rows]
    )
    colours = intrinsic * throughput
    fainter = 0.5 + 3.5 * uniforms["neighbour_magnitude"]
    flux = colours * (host.flux[:, 2] * 10 ** (-0.4 * fainter) / colours[:, 2])[:, None]
    galaxies = _galaxies(
        parents,
        rows=rows,
        z=parents.z[rows],
        flux=flux,
        psf_fwhm=host.psf_fwhm,
        uniforms={name: uniforms[f"neighbour_{name}"] for name in GALAXY_DRAWS},
        size_depends_on_redshift=True,
    )
    # The same surface brightness at a fainter magnitude: a smaller radius.
    shrink = np.where(star, 0.0, np.sqrt(flux[:, 2] / parents.flux[rows, 2]))
    x, y = _around(uniforms["neighbour_x"], uniforms["neighbour_y"])
    return replace(
        galaxies,
        disc_half_light_radius=galaxies.disc_half_light_radius * shrink,
        bulge_half_light_radius=galaxies.bulge_half_light_radius * shrink,
        offset_x=x,
        offset_y=y,
    )


def _around(uniform_x: Array, uniform_y: Array) -> tuple[Array, Array]:
    """Positions in arcsec, uniform over the stamp and a margin, pushed out of the central 2."""
    half = (STAMP_SIDE / 2 + 2) * PIXEL_SCALE
    x, y = (2 * uniform_x - 1) * half, (2 * uniform_y - 1) * half
    distance = np.maximum(np.hypot(x, y), 1e-6)
    push = np.maximum(distance, 2.0) / distance
    return x * push, y * push


def _star_flux(uniform: Array) -> Array:
    """Relative ugriz fluxes (M, 5) of main-sequence stars, g - i uniform over the locus."""
    g_i = _STAR_LOCUS[0, 0] + uniform * (_STAR_LOCUS[-1, 0] - _STAR_LOCUS[0, 0])
    u_g, g_r, r_i, i_z = (
        np.interp(g_i, _STAR_LOCUS[:, 0], _STAR_LOCUS[:, column]) for column in range(1, 5)
    )
    magnitude = np.stack([u_g, 0 * g_r, -g_r, -g_r - r_i, -g_r - r_i - i_z], axis=1)
    result: Array = 10 ** (-0.4 * magnitude)
    return result
