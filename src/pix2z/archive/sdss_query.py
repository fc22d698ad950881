"""The field and the spectrum of an object of which a list says the position: asked of SkyServer.

The query may be pasted into the form at https://skyserver.sdss.org/dr17 (SQL Search): the nearest
primary object of SDSS's imaging, and its spectrum where there is one. Answers are kept in the cache
like all else that is fetched.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

from pix2z.archive.addresses import RemoteFile, SdssArchive
from pix2z.archive.many_downloads import Download
from pix2z.archive.sdss_list import Failure, SdssObject, object_of, read_table
from pix2z.errors import InputError, Pix2zError
from pix2z.files import text_digest
from pix2z.imaging import BANDS, EXTINCTION_PER_EBV

__all__ = ["with_fields"]

NEAR_ARCSEC = 3.0
"""How far from its position an object may be: the width of a fibre."""

AT_ONCE = 12
"""Positions in one query, since many servers take addresses of up to 2048 bytes."""

COLUMNS = (
    *("p.objID", "p.ra", "p.dec", "p.run", "p.rerun", "p.camcol", "p.field", "p.extinction_r"),
    *("s.plate", "s.mjd", "s.fiberID", "s.run2d"),
)


def with_fields(
    objects: Sequence[SdssObject],
    archive: SdssArchive,
    fetch_all: Download,
    failures: list[Failure],
) -> list[SdssObject]:
    """Return the objects, those of which only the position was known as SDSS knows them.

    They have then the position, field, spectrum and, where the list had none, E(B-V) of the
    nearest primary object within `NEAR_ARCSEC`; one without any is added to `failures`.
    """
    asked = [one for one in objects if not one.has_spectrum and one.field is None]
    if not asked:
        return list(objects)
    batches = [asked[start : start + AT_ONCE] for start in range(0, len(asked), AT_ONCE)]
    files = [_query(batch, archive) for batch in batches]
    found: dict[int, SdssObject] = {}
    for batch, file, result in zip(batches, files, fetch_all(files, "queries"), strict=True):
        try:
            if isinstance(result, Pix2zError):
                raise InputError(str(result))
            found |= _answers(batch, file)
        except InputError as error:
            failures += [one.failed(error) for one in batch]
            asked = [one for one in asked if one not in batch]
    away = f"no object of SDSS's imaging within {NEAR_ARCSEC:g} arcsec"
    failures += [one.failed(away) for one in asked if one.row not in found]
    known = [one for one in objects if one.has_spectrum or one.field is not None]
    return sorted([*known, *found.values()], key=lambda one: one.row)


def _query(objects: Sequence[SdssObject], archive: SdssArchive) -> RemoteFile:
    """Return the address of a query and where its answer is kept."""
    radius = NEAR_ARCSEC / 60
    places = " UNION ALL ".join(
        f"SELECT {n} AS n,objID FROM dbo.fGetNearestObjEq({one.ra:.6f},{one.dec:.6f},{radius:g})"
        for n, one in enumerate(objects)
    )
    sql = (
        f"SELECT q.n,{','.join(COLUMNS)} FROM ({places}) AS q JOIN PhotoObj AS p ON "
        "p.objID=q.objID LEFT JOIN SpecObj AS s ON s.bestObjID=p.objID"
    )
    asked = urlencode({"cmd": sql, "format": "csv"}, safe="(),.*=")
    return RemoteFile(
        url=f"{archive.query_url}?{asked}",
        path=archive.cache / "queries" / f"{text_digest(sql)[:32]}.csv",
        signature=b"",
    )


def _answers(objects: Sequence[SdssObject], file: RemoteFile) -> dict[int, SdssObject]:
    """Row of the list -> the object that was found there.

    Raises
    ------
    InputError
        The answer is not such a table; it is not kept.
    """
    found: dict[int, SdssObject] = {}
    try:
        if file.path.read_bytes().startswith(b"No objects"):
            return {}
        columns, rows = read_table(file.path)
        number = columns.index("n")
        for values in rows:
            row = dict(zip(columns, values, strict=True))
            listed = objects[int(values[number])]
            extinction = float(row["extinction_r"]) / EXTINCTION_PER_EBV[BANDS.index("r")]
            one = object_of(row | {"ebv": str(extinction)}, listed.row)
            ebv = one.ebv if math.isnan(listed.ebv) else listed.ebv
            found.setdefault(listed.row, replace(one, ebv=ebv))
    except (InputError, LookupError, ValueError) as error:
        begin = file.path.read_bytes()[:60]
        file.path.unlink()
        raise InputError(
            f"{file.url.split('?')[0]}: expected a table of objects; its answer begins with "
            f"{begin!r}"
        ) from error
    return found
