"""``pix2z finetune``: a trained model goes on training on a user's own galaxies."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pix2z.cli.display import EPOCHS, page, plain, progress, say, table
from pix2z.cli.reading import CheckOption, LayoutOption, MapOption, ParamsOption, read_mapping
from pix2z.cli.which_model import MODEL_HELP
from pix2z.config.arms import SPECTRUM_MODEL, is_reserved, read_arms
from pix2z.config.finetune import FinetuneConfig, FinetuneSettings
from pix2z.errors import InputError, Pix2zError

if TYPE_CHECKING:
    from pix2z.finetune.base import BasePool
    from pix2z.network.arm import Curve

__all__ = ["finetune"]

PARAMS = Path("params.yaml")

CHECKPOINTS = Path(".checkpoints")

DRAWN = Path("data/raw/semireal.h5")
"""What the stage `semireal` writes."""

NAME = r"[a-z0-9][a-z0-9_-]{0,63}"


def finetune(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Stamps with redshifts: a file, or a folder of such files. With --sky: frames.",
        ),
    ],
    name: Annotated[str, typer.Option(help="Of the new model: letters a to z, digits, _ and -.")],
    model: Annotated[str, typer.Option(help=f"What to start from. {MODEL_HELP}")] = "full",
    layout: LayoutOption = None,
    params: ParamsOption = None,
    mapping: MapOption = None,
    check: CheckOption = True,
    sky: Annotated[
        bool,
        typer.Option(
            "--sky",
            help="Learn from rendered galaxies of known redshift, put into these frames of SDSS: "
            "ugriz, of one field or several.",
        ),
    ] = False,
) -> None:
    """Go on training a model on your own few thousand galaxies, and say what that gained.

    The galaxies are split into parts that train, choose the epoch, calibrate
    and test. Writes finetuned/NAME (weights, predictions and report.json),
    tracks every training in MLflow and registers the result as pix2z-NAME.
    A run that was stopped goes on where it was; the same command twice makes
    nothing new.

    Without redshifts of your own: pix2z finetune --sky frame-*.fits.bz2 --name
    NAME puts the galaxies of data/raw/semireal.h5 at random places of your
    frames (finetuned/NAME/sky.h5) and learns from these.
    """
    from pix2z.tracking.checkout import models_home, repository_root
    from pix2z.tracking.versions import FINETUNED

    root = models_home()
    settings_path = params or root / PARAMS
    if params is None and not settings_path.exists():
        repository_root()  # which says that this is none
    _check_name(name, settings_path)
    _check_files(files, sky=sky, of_file={"--layout": layout, "--map": mapping})
    chosen = read_mapping(params, mapping)
    settings = FinetuneSettings.read(settings_path)
    folder = root / FINETUNED / name
    base = _base(model, folder, root)

    from pix2z.finetune.report import write_report
    from pix2z.finetune.sample import left_out, make_sample

    file = _in_the_sky(files, folder, root, settings.finetune.seed) if sky else files[0]
    ingested, seen = make_sample(
        file, folder, base, settings, layout=layout, mapping=chosen, check=check, rendered=sky
    )
    good = f"{ingested['n_good']:,} of {ingested['n_raw']:,} galaxies are good"
    say(f"{file}: {good}{left_out(ingested)}")
    record = _train(folder, base, settings.finetune, root / CHECKPOINTS)
    report = write_report(
        folder,
        base,
        file,
        record=record,
        ingested=ingested,
        seen=seen,
        settings=settings.evaluate,
        frames=files if sky else (),
    )
    _show(report)
    say(f"Weights and report.json are in {folder}; use them as --model {folder}.")
    _register(folder, root)


def _check_files(files: Sequence[Path], *, sky: bool, of_file: Mapping[str, object]) -> None:
    """Raise InputError unless there is one file, or frames and no option of a file's."""
    if not sky and len(files) > 1:
        raise InputError(
            f"expected one FILE; received {len(files)}: put them into a folder, or, where they "
            "are frames to put galaxies into, give --sky"
        )
    unfit = [option for option, value in of_file.items() if value]
    if sky and unfit:
        raise InputError(f"{unfit[0]}: is of a file with stamps; with --sky expected frames alone")


def _base(model: str, folder: Path, root: Path) -> "BasePool":
    """Load the pool to start from; InputError where it cannot go on training into `folder`."""
    from pix2z.tracking.model_names import SHIPPED, resolve_pool

    found = resolve_pool(model)
    if found == SHIPPED:
        raise InputError(
            f"--model {model}: pix2z brings no weights of it that could go on training; expected "
            "a model of your own, such as what `make student` writes"
        )
    if found.resolve() == folder.resolve():
        raise InputError(f"--model {model}: is {folder} itself; expected another --name")

    from pix2z.finetune.base import BasePool, check_base
    from pix2z.network.estimator import load_pool

    base = BasePool(model=model, folder=found, pool=load_pool(found), root=root)
    check_base(base)
    return base


def _register(folder: Path, root: Path) -> None:
    """Register what is trained; where the store takes none, say how to try that again."""
    from pix2z.tracking.register import register_finetuned

    try:
        uri = register_finetuned(folder, root=root)
    except Pix2zError as error:
        again = shlex.join(["pix2z", *sys.argv[1:]])
        raise Pix2zError(
            f"{folder} is whole, but not registered: {error}; repeat: {again}"
        ) from error
    say(f"Registered as {uri}; mlflow ui shows its runs in pix2z-train.")


def _in_the_sky(frames: Sequence[Path], folder: Path, root: Path, seed: int) -> Path:
    """Render the galaxies of the default run into the frames; return the file of them."""
    from pix2z.field.frames import open_fields
    from pix2z.injection.raw_file import write_in_frames

    path, fields = folder / "sky.h5", open_fields(frames)
    n = write_in_frames(path, root / DRAWN, fields, seed=seed)
    say(f"{path}: {n:,} rendered galaxies in the sky of {len(fields)} field(s)")
    return path


def _check_name(name: str, params: Path) -> None:
    from pix2z.tracking.model_names import STUDENT

    if not re.fullmatch(NAME, name):
        raise InputError(
            f"--name: expected letters a to z, digits, _ and -, at most 64 and no _ or - first; "
            f"received {name!r}"
        )
    if is_reserved(name):
        raise InputError(
            f"--name: {SPECTRUM_MODEL} is the model of the spectrum networks; expected another name"
        )
    if name == STUDENT:
        raise InputError(f"--name: {name} is what `make student` writes; expected another name")
    arms = read_arms(params)
    if name in arms:
        raise InputError(f"--name: {name!r} is an arm of {params}; expected another name")


def _train(
    folder: Path, base: "BasePool", settings: FinetuneConfig, checkpoints: Path
) -> dict[str, Any]:
    """Let the base go on training, shown on the terminal and in MLflow; return its record."""
    from pix2z.dataset.splits import read_split
    from pix2z.dataset.store import open_galaxies
    from pix2z.finetune.training import finetune_pool, training_record
    from pix2z.tracking.live import curve_in_store
    from pix2z.tracking.pools import finetuned_run_name

    arm = finetuned_run_name(folder.name)
    record = training_record(folder, arm, base, settings)
    key = record["training_key"]
    with progress(EPOCHS) as shown, open_galaxies(folder / "galaxies.h5") as galaxies:

        def curve(seed: int) -> "Curve":
            tracked = curve_in_store(seed, arm=arm, training_key=key, stage="finetune")

            def on_epoch(epoch: int, losses: dict[str, float]) -> None:
                tracked(epoch, losses)
                note = f"loss {losses['loss']:.4f}, validation {losses['val_loss']:.4f}"
                shown(f"seed {seed}", epoch + 1, settings.epochs, note)

            return on_epoch

        finetune_pool(
            base.pool,
            galaxies,
            read_split(folder / "split.h5"),
            settings=settings,
            folder=folder,
            checkpoints=checkpoints / key,
            record=record,
            curve=curve,
        )
    return record


def _show(report: dict[str, Any]) -> None:
    """Print the table of base against fine-tuned, and what it means."""
    from pix2z.evaluation.metric_names import METRICS, format_value
    from pix2z.finetune.report import SHOWN, VERSIONS

    n = report["n"]
    headings = ("base", "recalibrated", "fine-tuned", "change (95 % interval)")
    rows = table("", *headings, right=headings)
    rows.padding = (0, 1, 0, 0)  # else more than 80 columns
    for metric in SHOWN:
        values = [format_value(metric, report["metrics"][v][metric]["value"]) for v in VERSIONS]
        change = report["differences"]["tuned minus base"][metric]
        low, middle, high = (format_value(metric, change[k]) for k in ("low", "value", "high"))
        rows.add_row(METRICS[metric].label, *values, f"{middle} ({low} to {high})")
    with page() as console:
        console.print(
            f"{n['test']:,} test galaxies ({n['train']:,} train, {n['validation']:,} validate, "
            f"{n['calibration']:,} calibrate)",
            style="bold",
        )
        console.print(rows)
        for words in (report["verdict"], report["seen_before"]["words"]):
            console.print(plain(words), soft_wrap=not console.is_terminal)
