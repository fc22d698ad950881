"""The rendered galaxies as another survey sees them: its filters, seeing, noise, pixels and bands.

A scene is drawn as SDSS would see it, and then seen anew: the same galaxies, shapes and neighbours
through other filters (exactly, for the galaxy; a neighbour keeps its SDSS colours), with seeing and
noise scaled from one survey's medians to the other's. Noise is white; stacks of real surveys were
resampled, so that theirs is correlated. No stamp is cut by the edge of a frame.
"""

import warnings
from dataclasses import dataclass, replace

import kcorrect.response
import numpy as np
import speclite.filters
from numpy.typing import NDArray

from pix2z.config.sky import Conditions
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.sky.draws import pixel_noise, stamp_generators, stamp_uniforms
from pix2z.sky.parents import Parents
from pix2z.sky.plan import StampPlan
from pix2z.sky.rendering import Sources, render
from pix2z.sky.scene import Scene, draw_scene
from pix2z.sky.semireal import add_surroundings
from pix2z.sky.templates import TemplateGrid, template_flux, template_grid
from pix2z.sky.undetected import Undetected
from pix2z.surveys import SDSS, Survey

__all__ = ["SurveySky", "seen_by", "survey_side", "survey_templates"]

Array = NDArray[np.float64]


def survey_templates(survey: Survey, *, z_max: float = 0.45) -> TemplateGrid:
    """Project the templates on the filters of a survey: (Z, its bands, 5) AB nanomaggies."""
    known = kcorrect.response.ResponseDict()
    names = [f"{survey.filters}-{band}" for band in survey.bands]
    with warnings.catch_warnings():
        # kcorrect leaves the closing of its files of the Sun and Vega to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        for name in names:
            response = speclite.filters.load_filter(name)
            known[name] = kcorrect.response.Response(
                wave=np.array(response.wavelength, np.float64),
                response=np.array(response.response, np.float64),
            )
    return template_grid(names, np.full(len(names), 1e9), z_max=z_max)


def survey_side(survey: Survey) -> int:
    """Pixels on a side that cover a stamp: a multiple of four, rendered as four tiles."""
    return 4 * int(np.ceil(STAMP_SIDE * PIXEL_SCALE / survey.pixel_scale / 4))


@dataclass(frozen=True)
class SurveySky:
    """Stamps of parents as one survey has them; `templates` are those of `survey_templates`."""

    survey: Survey
    templates: TemplateGrid
    parents: Parents
    seed: int
    conditions: Conditions

    def stamps(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], Scene]:
        """Noisy stamps (N, bands, side, side) of parents, nanomaggies per pixel, and their scene.

        The galaxies are those that the default sky draws with this seed.
        """
        drawn, generators = self.drawn(rows)
        scene = seen_by(self.survey, drawn, self.templates, self.parents, rows)
        light = _tiled(scene, self.survey)
        electrons = _in_ugriz(self.survey, "electrons_per_nanomaggy")
        variance = np.maximum(light, 0) / electrons[:, None, None]
        variance += np.square(scene.sky_sigma)[:, :, None, None]
        noisy = light + np.sqrt(variance) * pixel_noise(generators, light.shape[1:])
        noisy += scene.sky_offset[:, :, None, None]
        return noisy[:, _columns(self.survey)].astype(np.float32), scene

    def drawn(self, rows: NDArray[np.int64]) -> tuple[Scene, list[np.random.Generator]]:
        """Draw the scene as SDSS sees it; also returned are the generators of the stamps."""
        plan = StampPlan(row=rows, copy=np.zeros(len(rows), np.int64))
        generators = stamp_generators(self.seed, self.parents.index[rows], plan.copy)
        scene = draw_scene(
            self.parents,
            plan,
            stamp_uniforms(generators),
            seed=self.seed,
            max_shift=0.0,
            conditions=self.conditions,
            size_depends_on_redshift=True,
        )
        return scene, generators


def seen_by(
    survey: Survey,
    scene: Scene,
    templates: TemplateGrid,
    parents: Parents,
    rows: NDArray[np.int64],
) -> Scene:
    """Return a scene with the fluxes, seeing and sky that a survey has in its own bands.

    Bands that it lacks stay as SDSS has them. What the subtraction of the sky left is the same part
    of the noise of the sky within a pixel of SDSS.
    """
    bands = _columns(survey)
    spectrum = {"z": scene.z, "coefficients": parents.coefficients[rows]}
    colour_term = np.ones_like(scene.galaxy.flux)
    colour_term[:, bands] = template_flux(templates, **spectrum)
    colour_term[:, bands] /= template_flux(parents.templates, **spectrum)[:, bands]
    more_dust = _in_ugriz(survey, "extinction_per_ebv") - np.array(SDSS.extinction_per_ebv)
    colour_term *= 10 ** (-0.4 * scene.ebv[:, None] * more_dust)
    seeing = _in_ugriz(survey, "psf_fwhm") / np.array(SDSS.psf_fwhm)
    noise = _in_ugriz(survey, "sky_sigma") / np.array(SDSS.sky_sigma)
    galaxy, neighbour, faint = scene.galaxy, scene.neighbour, scene.undetected
    faint_seeing = seeing[:, None]  # of their width it is most
    return replace(
        scene,
        sky_sigma=scene.sky_sigma * noise,
        sky_offset=scene.sky_offset * noise * (survey.pixel_scale / PIXEL_SCALE),
        galaxy=replace(galaxy, flux=galaxy.flux * colour_term, psf_fwhm=galaxy.psf_fwhm * seeing),
        neighbour=replace(neighbour, psf_fwhm=neighbour.psf_fwhm * seeing),
        undetected=replace(faint, sigma=faint.sigma * faint_seeing),
    )


def _columns(survey: Survey) -> list[int]:
    return [BANDS.index(band) for band in survey.bands]


def _in_ugriz(survey: Survey, name: str) -> Array:
    """Values (5,) of a survey; of bands that it lacks those of SDSS."""
    whole = np.array(getattr(SDSS, name), np.float64)
    whole[_columns(survey)] = getattr(survey, name)
    return whole


def _tiled(scene: Scene, survey: Survey) -> NDArray[np.float64]:
    """Noise-free stamps (N, 5, side, side) in pixels of a survey, of which the renderer knows none.

    Lengths are stretched so that a pixel of the renderer is one of the survey, and a stamp is put
    together of four tiles.
    """
    side = survey_side(survey)
    half, margin = side // 2, (STAMP_SIDE - side // 2) // 2
    inside = slice(margin, margin + half)
    whole = np.empty((len(scene.z), len(BANDS), side, side))
    for row in (0, 1):
        for column in (0, 1):
            x, y = ((place - 0.5) * half * PIXEL_SCALE for place in (column, row))
            seen = replace(
                scene,
                neighbour=_stretched(scene.neighbour, survey, x, y),
                undetected=_stretched_faint(scene.undetected, survey, x, y),
            )
            tile = render(_stretched(scene.galaxy, survey, x, y))
            add_surroundings(tile, seen)
            rows, columns = (slice(place * half, (place + 1) * half) for place in (row, column))
            whole[:, :, rows, columns] = tile[:, :, inside, inside]
    return whole


def _stretched(sources: Sources, survey: Survey, x: float, y: float) -> Sources:
    """Stretch sources until a pixel of the survey is one of the renderer, about a middle (x, y)."""
    zoom = PIXEL_SCALE / survey.pixel_scale
    lengths = ("disc_half_light_radius", "bulge_half_light_radius", "psf_fwhm")
    return replace(
        sources,
        **{name: zoom * getattr(sources, name) for name in lengths},
        offset_x=zoom * sources.offset_x - x,
        offset_y=zoom * sources.offset_y - y,
    )


def _stretched_faint(faint: Undetected, survey: Survey, x: float, y: float) -> Undetected:
    """Stretch faint galaxies as `_stretched` does sources."""
    zoom = PIXEL_SCALE / survey.pixel_scale
    return replace(faint, sigma=zoom * faint.sigma, x=zoom * faint.x - x, y=zoom * faint.y - y)
