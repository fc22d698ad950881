"""Stage: the raw files of params.yaml -> data/galaxies.h5 and reports/ingest.json."""

from pix2z.config.ingest import IngestConfig
from pix2z.config.pdf import PdfConfig
from pix2z.files import write_json
from pix2z.ingest.galaxies import ingest
from pix2z.stages.runner import run


def main() -> None:
    """Validate the raw files and write their good rows."""
    config, pdf = IngestConfig.read(), PdfConfig.read()
    report = ingest(
        config.source,
        "data/galaxies.h5",
        layout=config.layout,
        z_min=config.z_min,
        z_max=config.z_max,
        duplicate_radius_arcsec=config.duplicate_radius_arcsec,
        pdf_range=(pdf.z_min, pdf.z_max),
        mapping=config.hdf5,
        check_photometry=config.check_photometry,
        z_warnings=config.spectra.zwarning,
        classes=config.spectra.classes,
    )
    write_json("reports/ingest.json", report)


if __name__ == "__main__":
    run(main)
