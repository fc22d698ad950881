"""One network with the PDFs of a pool: ``python -m pix2z.stages.student``.

No stage of dvc.yaml: `make student` runs it where there is a finished run. Settings are the section
`student` of params.yaml.
"""

import argparse
import logging
import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.student import StudentConfig
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.files import PARTIAL, read_json, write_json
from pix2z.finetune.base import BasePool
from pix2z.finetune.student import distil, student_record, write_student_report
from pix2z.network.estimator import load_pool
from pix2z.saved.sealed import ONNX_FORM, read_pool
from pix2z.stages.runner import live_curve, run
from pix2z.tracking.kinds import POOLS
from pix2z.tracking.model_names import SHIPPED, STUDENT, resolve_pool
from pix2z.tracking.register import register_finetuned
from pix2z.tracking.versions import FINETUNED

__all__ = ["main"]

logger = logging.getLogger(__name__)

GALAXIES, SPLITS = Path("data/galaxies.h5"), Path("data/splits")

REFERENCE = Path("docs/reference/student.json")


def main() -> None:
    """Distil, measure, register; `--ship` puts the student into the package."""
    options = _parsed()
    settings, evaluate = StudentConfig.read(), EvaluateConfig.read()
    folder, out = resolve_pool(options.parent, root=Path()), Path(FINETUNED) / STUDENT
    if folder in (out, SHIPPED):
        raise InputError(f"--parent {options.parent}: is a student; expected the pool of an arm")
    base = BasePool(model=options.parent, folder=folder, pool=load_pool(folder))
    with open_galaxies(GALAXIES) as galaxies:
        rows = SPLITS / f"{base.record.get('selection', 'full')}.h5"
        source = str(galaxies.attribute("source"))
        record = student_record(
            base, settings, name=STUDENT, galaxies=GALAXIES, rows=rows, source=source
        )
        key = record["training_key"]
        distil(
            base,
            galaxies,
            read_split(rows),
            settings=settings,
            folder=out,
            checkpoints=Path(".checkpoints") / key,
            record=record,
            curve=partial(live_curve, arm=STUDENT, training_key=key, stage="student"),
        )
        test = read_split(SPLITS / "full.h5")
        report = write_student_report(out, base, galaxies, test, record=record, settings=evaluate)
    logger.info("%s: %s", out, report["verdict"])
    if options.ship:
        ship(out, SHIPPED, REFERENCE)
    uri = register_finetuned(out, root=Path())
    logger.info("registered as %s; pix2z promote %s puts it before the gate", uri, out)


def ship(student: Path, package: Path, reference: Path) -> None:
    """Copy what redshifts need of a student into the package, and its report into docs.

    The Keras weights are none of it. The student that was there goes when the copy is whole.
    """
    if not reference.parent.is_dir():
        raise InputError(f"{reference}: expected a folder {reference.parent}; none there")
    members = [f"{name}/estimator.json" for name in read_pool(student)["members"]]
    package.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=PARTIAL, dir=package.parent) as beside:
        copy = Path(beside) / package.name
        for name in (*members, ONNX_FORM, POOLS.saved):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(student / name, copy / name)
        shutil.rmtree(package, ignore_errors=True)
        copy.replace(package)
    write_json(reference, read_json(student / "report.json"))
    logger.info("%s is what --model student names; %s says what it reaches", package, reference)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pix2z.stages.student", description=__doc__)
    parser.add_argument("--parent", default="full", help="arm whose pool teaches")
    parser.add_argument("--ship", action="store_true", help="put the student into the package")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
