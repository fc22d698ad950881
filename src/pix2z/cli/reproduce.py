"""``pix2z reproduce``: how a version is made again, and whether it comes out the same."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pix2z.cli.display import epochs_progress, plain, print_json
from pix2z.cli.process import ended_by_sigterm
from pix2z.cli.registry_session import session

if TYPE_CHECKING:
    from pathlib import Path

    from pix2z.tracking.promotion.versions import Version
    from pix2z.tracking.reproduction import Recipe
    from pix2z.tracking.store import Store
    from pix2z.tracking.version_lineage import VersionLineage

__all__ = ["reproduce"]


def reproduce(
    version: Annotated[
        str,
        typer.Argument(
            help="An arm as full (its newest version), pix2z-full/2, models:/pix2z@champion."
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Train it again here, and compare the weights.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the commands that make a version again, and the digests to expect.

    With --check it is trained again, with the settings that were recorded, in a folder that is
    removed afterwards. Exit code 0: the same weights, bit by bit; 1: other weights; 2: data are
    missing. The same weights can be expected of the same code, TensorFlow and kind of processor.
    """
    with session() as opened:
        from pix2z.tracking.existing import with_experiments
        from pix2z.tracking.promotion.versions import find_version, read_versions
        from pix2z.tracking.store import repository_root
        from pix2z.tracking.version_lineage import version_lineage

        store, root = with_experiments(opened), repository_root()
        versions = read_versions(store.client)
        wanted = find_version(versions, version)
        found = version_lineage(store, wanted)
        if check:
            _check(store, wanted, versions, found, root, as_json=as_json)
            return
        recipe = _recipe(store, wanted, versions, found, root)
    if as_json:
        print_json(asdict(recipe))
    else:
        _show(recipe)


def _recipe(
    store: "Store",
    wanted: "Version",
    versions: "list[Version]",
    found: "VersionLineage",
    root: "Path",
) -> "Recipe":
    from pix2z.tracking.reproduction import arm_recipe, finetuned_recipe
    from pix2z.tracking.retraining import base_version, finetune_report

    if not found.base_pool_digest:
        return arm_recipe(found, root=root)
    report = finetune_report(store, wanted)
    base = base_version(versions, found)
    return finetuned_recipe(
        found,
        base=base.label if base else None,
        file=report["data"]["file"],
        layout=report.get("ingest", {}).get("raw", {}).get("layout"),
        root=root,
    )


def _show(recipe: "Recipe") -> None:
    lines = [
        f"# {recipe.version}",
        *(f"# {remark}" for remark in recipe.remarks),
        "",
        *recipe.commands,
        "",
        "# expected:",
        *(f"#   {path}  {digest}" for path, digest in recipe.expected.items()),
    ]
    sys.stdout.writelines(f"{plain(line)}\n" for line in lines)


def _check(
    store: "Store",
    wanted: "Version",
    versions: "list[Version]",
    found: "VersionLineage",
    root: "Path",
    *,
    as_json: bool,
) -> None:
    from contextlib import ExitStack

    from pix2z.tracking.retraining import Place, retrain

    with ended_by_sigterm(), ExitStack() as stack:
        place = Place(
            store, versions, root, lambda epochs: stack.enter_context(epochs_progress(epochs))
        )
        done = retrain(place, wanted, found)
    different = done.different
    if as_json:
        print_json({**asdict(done), "same": not different})
    else:
        for remark in done.remarks:
            sys.stdout.write(f"note: {remark}\n")
        for name, digest in done.recorded.items():
            state = "same" if name not in different else f"DIFFERENT, {done.again[name]} now"
            sys.stdout.write(f"{name}  sha256:{digest}  {state}\n")
        what = "same weights" if not different else f"other weights: {', '.join(different)}"
        sys.stdout.write(f"{wanted.label}: {what}\n")
    if different:
        raise typer.Exit(1)
