"""Stage: data/galaxies.h5 -> data/splits/<selection>.h5 and reports/split.json."""

from pix2z.config.split import SplitConfig
from pix2z.dataset.splits import check_split, make_splits, split_report, write_split
from pix2z.dataset.store import open_galaxies
from pix2z.files import write_json
from pix2z.stages.runner import run


def main() -> None:
    """Split the galaxies by group, check every selection and write it."""
    config = SplitConfig.read()
    with open_galaxies("data/galaxies.h5") as galaxies:
        group_id, object_id = galaxies.column("group_id"), galaxies.column("object_id")
        z_spec, moved = galaxies.column("specz_redshift"), galaxies.column("moved")
    splits = make_splits(
        group_id=group_id,
        object_id=object_id,
        z_spec=z_spec,
        moved=moved,
        seed=config.seed,
        fractions=config.fractions.model_dump(),
        clip_sigma=config.clip_sigma,
    )
    test_rows = splits["full"].test
    for selection, split in splits.items():
        check_split(split, group_id=group_id, object_id=object_id, moved=moved, test_rows=test_rows)
        write_split(
            f"data/splits/{selection}.h5", split, seed=config.seed, n_galaxies=len(group_id)
        )
    write_json("reports/split.json", split_report(splits, group_id=group_id))


if __name__ == "__main__":
    run(main)
