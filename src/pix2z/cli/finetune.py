"""``pix2z finetune``: a trained model goes on training on a user's own galaxies."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pix2z.cli.display import epochs_progress, page, plain, say, table
from pix2z.cli.reading import LayoutOption, MapOption, ParamsOption, read_mapping
from pix2z.config.arms import SPECTRUM_MODEL, is_reserved, read_arms
from pix2z.config.finetune import FinetuneSettings
from pix2z.errors import InputError, Pix2zError

__all__ = ["finetune"]

PARAMS = Path("params.yaml")

NAME = r"[a-z0-9][a-z0-9_-]{0,63}"

PIPE_WIDTH = 110


def finetune(
    file: Annotated[
        Path, typer.Argument(help="Stamps with redshifts: a file, or a folder of such files.")
    ],
    name: Annotated[str, typer.Option(help="Of the new model: letters a to z, digits, _ and -.")],
    model: Annotated[
        str,
        typer.Option(help="What to start from: an arm, a folder, or models:/NAME/VERSION."),
    ] = "full",
    layout: LayoutOption = None,
    params: ParamsOption = None,
    mapping: MapOption = None,
    check: Annotated[
        bool, typer.Option(help="Refuse pixels that do not look like ugriz in nanomaggies.")
    ] = True,
) -> None:
    """Go on training a model on your own few thousand galaxies, and say what that gained.

    The galaxies are split into parts that train, choose the epoch, calibrate and test. Writes
    finetuned/NAME (weights, predictions and report.json), tracks every training in MLflow and
    registers the result as pix2z-NAME. A run that was stopped goes on where it was; the same
    command twice makes nothing new.
    """
    settings_path = params or PARAMS
    _check_name(name, settings_path)
    chosen = read_mapping(params, mapping)

    from pix2z.finetune.base import BasePool
    from pix2z.finetune.finetuning import finetune as finetune_base
    from pix2z.network.estimator import load_pool
    from pix2z.tracking.pools import finetuned_run_name
    from pix2z.tracking.register import register_finetuned
    from pix2z.tracking.versions import FINETUNED, resolve_pool

    settings = FinetuneSettings.read(settings_path)
    folder, base_folder = Path(FINETUNED) / name, resolve_pool(model)
    if base_folder.resolve() == folder.resolve():
        raise InputError(f"--model {model}: is {folder} itself; expected another --name")
    base = BasePool(model=model, folder=base_folder, pool=load_pool(base_folder))
    with epochs_progress(settings.finetune.epochs) as shown:
        report = finetune_base(
            file,
            folder,
            base,
            settings,
            arm=finetuned_run_name(name),
            layout=layout,
            mapping=chosen,
            check=check,
            sampled=lambda ingested: say(
                f"{file}: {ingested['n_good']:,} of {ingested['n_raw']:,} galaxies are good"
            ),
            curves=lambda key: _tracked(finetuned_run_name(name), key, shown),
        )
    _show(report)
    say(f"Weights and report.json are in {folder}; use them as --model {folder}.")
    try:
        uri = register_finetuned(folder, root=Path())
    except Pix2zError as error:
        again = shlex.join(["pix2z", *sys.argv[1:]])
        raise Pix2zError(
            f"{folder} is whole, but not registered: {error}; repeat: {again}"
        ) from error
    say(f"Registered as {uri}; mlflow ui shows its runs in pix2z-train.")


def _check_name(name: str, params: Path) -> None:
    if not re.fullmatch(NAME, name):
        raise InputError(
            f"--name: expected letters a to z, digits, _ and -, at most 64 and no _ or - first; "
            f"received {name!r}"
        )
    if is_reserved(name):
        raise InputError(
            f"--name: {SPECTRUM_MODEL} is the model of the spectrum networks; expected another name"
        )
    arms = read_arms(params)
    if name in arms:
        raise InputError(f"--name: {name!r} is an arm of {params}; expected another name")


def _tracked(arm: str, training_key: str, shown: Callable[[int], Any]) -> Callable[[int], Any]:
    """Return seed -> what shows an epoch on the terminal and in MLflow."""
    from pix2z.tracking.live import live_curve

    def curve(seed: int) -> Any:
        tracked = live_curve(seed, arm=arm, training_key=training_key, stage="finetune")
        display = shown(seed)

        def on_epoch(epoch: int, losses: dict[str, float]) -> None:
            tracked(epoch, losses)
            display(epoch, losses)

        return on_epoch

    return curve


def _show(report: dict[str, Any]) -> None:
    """Print the table of base against fine-tuned, and what it means."""
    from pix2z.evaluation.metric_names import METRICS, format_value
    from pix2z.finetune.report import SHOWN, VERSIONS

    n = report["n"]
    headings = ("base", "recalibrated", "fine-tuned", "fine-tuned - base (95 % interval)")
    rows = table("", *headings, right=headings)
    for metric in SHOWN:
        values = [format_value(metric, report["metrics"][v][metric]["value"]) for v in VERSIONS]
        change = report["differences"]["tuned minus base"][metric]
        low, middle, high = (format_value(metric, change[k]) for k in ("low", "value", "high"))
        rows.add_row(METRICS[metric].label, *values, f"{middle} ({low} to {high})")
    with page(pipe_width=PIPE_WIDTH) as console:
        console.print(
            f"{n['test']:,} test galaxies ({n['train']:,} train, {n['validation']:,} validate, "
            f"{n['calibration']:,} calibrate)",
            style="bold",
        )
        console.print(rows)
        for words in (report["verdict"], report["seen_before"]["words"]):
            console.print(plain(words), soft_wrap=True)
