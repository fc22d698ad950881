"""``pix2z models``: what is registered."""

from typing import Annotated, Any

import typer

from pix2z.cli.display import console, plain, print_json, table
from pix2z.cli.registry_session import session
from pix2z.errors import InputError

__all__ = ["models"]

_LABELS = {
    "crps": "CRPS",
    "mae": "MAE",
    "nmad": "NMAD",
    "outlier_005": "outliers",
    "coverage_68": "in 68 %",
    "coverage_95": "in 95 %",
}


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, unrounded.")] = False,
) -> None:
    """List the versions of all registered models: in production, of arms, fine-tuned.

    Metrics are those of each version on its own test galaxies: compare versions
    with the same digest in the column "test" only. Outliers: share of galaxies
    with |dz| / (1 + z) above 0.05. In 68 %, in 95 %: share whose redshift is
    inside that interval. Times are UTC.
    """
    with session() as store:
        from pix2z.tracking.promotion.listing import listed_versions

        found = listed_versions(store.client)
    if as_json:
        print_json(found)
        return
    if not found:
        raise InputError("no models are registered yet; run `make repro`")
    shown = table(
        "version", "alias", *_LABELS.values(), "pool", "test", "registered", "from",
        right=tuple(_LABELS.values()),
    )  # fmt: skip
    for version in found:
        shown.add_row(*(plain(cell) for cell in _cells(version)))
    console().print(shown)


def _cells(version: dict[str, Any]) -> list[str]:
    from pix2z.evaluation.metric_names import format_value

    digests = version["digests"]
    return [
        f"{version['model']}/{version['version']}",
        ", ".join(version["aliases"]),
        *(format_value(name, version["metrics"][name]) for name in _LABELS),
        digests.get("pool_digest", "–")[:8],
        digests.get("test_digest", "–")[:8],
        version["registered_at"][:16].replace("T", " "),
        version["source"] or "",
    ]
