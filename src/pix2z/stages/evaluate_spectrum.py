"""Stage: spectra and the redshifts read off them -> reports/spectrum.json, reports/spectrum."""

from pathlib import Path

from pix2z.config.compute import ComputeConfig
from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.pdf import PdfConfig
from pix2z.config.spectrum import SpectrumConfig, read_spectrum_arms
from pix2z.dataset.spectra import open_spectra
from pix2z.dataset.store import open_galaxies
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.spectra.outputs import AssessmentInputs, write_assessment
from pix2z.stages.runner import run


def main() -> None:
    """Judge every spectrum arm on the test galaxies."""
    evaluate, pdf = EvaluateConfig.read(), PdfConfig.read()
    with open_galaxies("data/galaxies.h5") as galaxies, open_spectra("data/spectra.h5") as spectra:
        given = AssessmentInputs(
            galaxies=galaxies,
            spectra=spectra,
            settings=SpectrumConfig.read(),
            grid=RedshiftGrid(pdf.z_min, pdf.z_max, pdf.n_bins),
            margin=evaluate.margin,
            n_bootstrap=evaluate.n_bootstrap,
            seed=evaluate.seed,
        )
        arms = read_spectrum_arms()
        write_assessment(
            given,
            arms,
            spectrum=Path("spectrum"),
            reports=Path("reports"),
            processes=ComputeConfig.read().processes,
        )


if __name__ == "__main__":
    run(main)
