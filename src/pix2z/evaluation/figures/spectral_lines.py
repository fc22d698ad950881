"""Names of redshifted lines along the top of a spectrum, as many as have room."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from pix2z.evaluation.figures.style import NEUTRAL

__all__ = ["BELOW_LINES", "mark_lines"]

NAMES = {
    "H alpha": r"H$\alpha$",
    "[O III] 5008": "[O III]",
    "Ca K": "Ca K",
    "[O II] 3727": "[O II]",
    "H beta": r"H$\beta$",
    "Na D": "Na D",
    "Mg 5177": "Mg",
    "[S II] 6718": "[S II]",
    "G band": "G",
    "H delta": r"H$\delta$",
    "H gamma": r"H$\gamma$",
}
"""Lines that carry a name, the most important first: it has the room. Others are ticks."""

BELOW_LINES = 0.70
"""Share of the axes' height, from below, that is left to the spectrum."""

FONT_POINTS = 6.5
POINTS_PER_INCH = 72.0


def mark_lines(panel: Axes, lines: Mapping[str, float], *, z: float, width: float) -> None:
    """Mark lines at redshift z along the top; call it when the limits of the axes stand.

    Parameters
    ----------
    lines : name -> vacuum rest wavelength, Angstrom.
    z : NaN marks nothing.
    width : of the axes in inches.
    """
    if not np.isfinite(z):
        return
    low, high = panel.get_xlim()
    room = (high - low) * 1.15 * FONT_POINTS / POINTS_PER_INCH / width
    places = {n: rest * (1 + z) for n, rest in lines.items() if low < rest * (1 + z) < high}
    across = panel.get_xaxis_transform()
    for place in places.values():
        panel.plot(
            [place] * 2,
            [BELOW_LINES + 0.02, BELOW_LINES + 0.06],
            color=NEUTRAL,
            lw=0.7,
            transform=across,
        )
    named: list[float] = []
    for name, label in NAMES.items():
        place = places.get(name, np.nan)
        inside = low + room / 2 < place < high - room / 2
        if not inside or any(abs(place - other) < room for other in named):
            continue
        named.append(place)
        panel.text(
            place,
            BELOW_LINES + 0.07,
            label,
            transform=across,
            fontsize=FONT_POINTS,
            rotation=90,
            ha="center",
            va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
        )
