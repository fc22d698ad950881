"""Stage: catalogue methods -> controls/<name>.hdf5 and reports/controls.json."""

import numpy as np

from pix2z.config.controls import ControlsConfig
from pix2z.config.ingest import IngestConfig
from pix2z.config.pdf import PdfConfig
from pix2z.controls import features, parameters, suite
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.files import write_json
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.stages.runner import run


def main() -> None:
    """Fit every control on training galaxies and predict the test galaxies."""
    config, pdf, raw_path = ControlsConfig.read(), PdfConfig.read(), IngestConfig.read().source
    grid = RedshiftGrid(z_min=pdf.z_min, z_max=pdf.z_max, n_bins=pdf.n_bins)
    parts = read_split("data/splits/full.h5").parts()
    with open_galaxies("data/galaxies.h5") as galaxies:
        z_spec, moved = galaxies.column("specz_redshift"), galaxies.column("moved")
        measured = features.measured_features(galaxies, np.arange(len(galaxies)))
        controls = suite.measured_controls(measured, z_spec, moved, parts, config, grid)
        if config.parameters is not None:  # the raw file may be large: hashed and read only then
            origin, sha256 = galaxies.column("row_origin"), galaxies.attribute("source_sha256")
            drawn = parameters.read_parameters(raw_path, origin, sha256=sha256)
            controls += suite.parameter_controls(drawn, z_spec, parts, config, grid)
        reports = {
            control.name: suite.write_control("controls", control, galaxies, parts["test"], grid)
            for control in controls
        }
    write_json("reports/controls.json", reports)


if __name__ == "__main__":
    run(main)
