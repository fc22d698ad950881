"""Stage: files -> runs and registered models in MLflow, each once; always run, in seconds."""

from pathlib import Path

from pix2z.config.arms import read_arms
from pix2z.config.spectrum import read_spectrum_arms
from pix2z.stages.runner import run
from pix2z.tracking.register import register


def main() -> None:
    """Bring the tracking store in step with models/, spectrum/models/ and reports/."""
    register(Path(), read_arms(), read_spectrum_arms())


if __name__ == "__main__":
    run(main)
