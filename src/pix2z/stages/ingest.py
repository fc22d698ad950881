"""Stage: the raw file of params.yaml -> data/galaxies.h5 and reports/ingest.json."""

from pix2z.config.ingest import IngestConfig
from pix2z.dataset.ingest import ingest
from pix2z.files import write_json
from pix2z.stages.runner import run


def main() -> None:
    """Validate the raw file and write its good rows."""
    config = IngestConfig.read()
    report = ingest(
        config.source,
        "data/galaxies.h5",
        layout=config.layout,
        z_min=config.z_min,
        z_max=config.z_max,
        duplicate_radius_arcsec=config.duplicate_radius_arcsec,
    )
    write_json("reports/ingest.json", report)


if __name__ == "__main__":
    run(main)
