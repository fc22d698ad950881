"""Stage: the spectrum behind every galaxy -> data/spectra.h5 and reports/spectra.json."""

from pix2z.config.ingest import IngestConfig
from pix2z.config.spectrum import SpectrumConfig
from pix2z.dataset.spectrum_targets import write_target_spectra
from pix2z.dataset.store import open_galaxies
from pix2z.files import write_json
from pix2z.stages.runner import run


def main() -> None:
    """Write what spectrum networks learn, row for row beside galaxies.h5."""
    grid = SpectrumConfig.read().wavelength.grid
    with open_galaxies("data/galaxies.h5") as galaxies:
        source = IngestConfig.read().source
        report = write_target_spectra("data/spectra.h5", source, galaxies, grid=grid)
    write_json("reports/spectra.json", report)


if __name__ == "__main__":
    run(main)
