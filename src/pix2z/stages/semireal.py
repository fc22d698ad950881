"""Stage: render the semi-real sky into data/raw/semireal.h5."""

from pathlib import Path

from pix2z.config.sky import SkyConfig
from pix2z.config.split import SplitConfig
from pix2z.sky.semireal import write_semireal
from pix2z.stages.runner import run

__all__ = ["main"]


def main() -> None:
    """Read `sky` and `split` of params.yaml, render, write."""
    sky, split = SkyConfig.read(), SplitConfig.read()
    write_semireal(
        Path("data/raw/semireal.h5"),
        seed=sky.seed,
        n_parents=sky.n_parents,
        n_stamps=sky.n_stamps,
        max_shift=sky.max_shift,
        faint_limit=sky.faint_limit,
        conditions=sky.conditions,
        size_depends_on_redshift=sky.size_depends_on_redshift,
        split_seed=split.seed,
        fractions=split.fractions.model_dump(),
    )


if __name__ == "__main__":
    run(main)
