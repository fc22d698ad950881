"""Surveys: what their images are like, a file of published values each."""

from pix2z.surveys.des import DES
from pix2z.surveys.panstarrs import PANSTARRS
from pix2z.surveys.sdss import SDSS
from pix2z.surveys.survey import Survey

__all__ = ["DES", "PANSTARRS", "SDSS", "SURVEYS", "Survey"]

SURVEYS = {survey.name: survey for survey in (SDSS, PANSTARRS, DES)}
"""Name, as in ``-m survey=panstarrs`` -> survey."""
