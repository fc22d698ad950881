"""A trained model as stages of RAIL, LSST DESC's framework for photometric redshifts.

::

    from pix2z.rail import Pix2zEstimator, Pix2zInformer

    model = Pix2zInformer.make_stage(pool="full", model="pix2z.json").inform()
    pdfs = Pix2zEstimator.make_stage(model=model, output="z.hdf5").estimate("galaxies.h5")

RAIL pickles the models of its stages. Nothing is pickled here: `PoolHandle` is a JSON file that
names the folder of a pool and its digest. Training stays with ``dvc repro`` and ``pix2z finetune``,
which split the galaxies, stop early and calibrate; an informer of RAIL gets one table for all that.
It needs the extra ``[rail]``; no other module knows RAIL.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

import pix2z
from pix2z.config.ingest import Hdf5Mapping
from pix2z.config.section import first_fault
from pix2z.errors import InputError, IntegrityError
from pix2z.files import read_json, write_json
from pix2z.ingest.raw import RawSurvey
from pix2z.ingest.source import open_source
from pix2z.process import needs_extra
from pix2z.tracking.model_names import resolve_pool

try:
    import qp
    from ceci.config import StageParameter
    from rail.core.data import ModelHandle, QPHandle, TableHandle
    from rail.core.enums import DistributionType
    from rail.core.stage import RailStage
    from rail.estimation.estimator import CatEstimator
    from rail.estimation.informer import CatInformer
    from tables_io.io_utils.iterator import data_ranges_by_rank
except ModuleNotFoundError as error:
    package = str(error.name).partition(".")[0]
    raise ModuleNotFoundError(needs_extra(package, "rail"), name=error.name) from None

__all__ = ["Pix2zEstimator", "Pix2zInformer", "PoolHandle", "StampsHandle"]

NAMES_A_POOL = {"pool", "digest"}

OF_OTHER_GRIDS = {"zmin", "zmax", "nzbins", "hdf5_groupname"}
"""Options of RAIL's estimators that mean nothing here."""

WHY_NOT = (
    "PDFs are on the bins that the pool was trained with, and where a file keeps things is found "
    "out, or said by mapping"
)

Chunk = Mapping[str, NDArray[Any]]
"""``images`` (n, 32, 32, 5) nanomaggies, ``ebv`` (n,) mag, ``object_id`` (n,), and ``redshift``
(n,) where the file has any."""


class PoolHandle(ModelHandle):
    """Which pool: ``{"pool": its folder, "digest": SHA-256 over all that was saved of it}``."""

    suffix = "json"

    @classmethod
    def _open(cls, path: str, **kwargs: Any) -> Any:
        return Path(path).open(kwargs.get("mode", "r"), encoding="utf-8")

    @classmethod
    def _read(cls, path: str, **kwargs: Any) -> dict[str, str]:
        named: dict[str, str] = read_json(Path(path))
        if not isinstance(named, dict) or named.keys() != NAMES_A_POOL:
            raise InputError(f"{path}: expected the keys pool and digest, as Pix2zInformer writes")
        return named

    @classmethod
    def _write(cls, data: dict[str, str], path: str, **kwargs: Any) -> None:
        write_json(Path(path), data)


class StampsHandle(TableHandle):
    """Stamps in any file that ``pix2z predict`` reads, a chunk at a time.

    Attributes
    ----------
    mapping : where the file keeps things, beyond what is found out.
    """

    suffix = "hdf5"
    mapping: Hdf5Mapping | None = None

    def _size(self, path: str, **kwargs: Any) -> int:
        with open_source(path, mapping=self.mapping) as survey:
            return len(survey.table)

    def _iterator(
        self, path: str, *, chunk_size: int, rank: int = 0, parallel_size: int = 1, **kwargs: Any
    ) -> Iterator[tuple[int, int, Chunk]]:
        """Yield (start, stop, rows) for the chunks that fall to process `rank`."""
        with open_source(path, mapping=self.mapping) as survey:
            n = len(survey.table)
            for start, stop in data_ranges_by_rank(n, chunk_size, parallel_size, rank):
                yield start, stop, _rows(survey, start, stop)


def _mapping(entries: Mapping[str, Any]) -> Hdf5Mapping:
    try:
        return Hdf5Mapping.model_validate(entries)
    except ValidationError as error:
        raise first_fault(error, path="Pix2zEstimator: mapping", key="hdf5") from error


def _rows(survey: RawSurvey, start: int, stop: int) -> Chunk:
    table, part = survey.table, slice(start, stop)
    rows: dict[str, NDArray[Any]] = {
        "images": survey.read_images(start, stop),
        "ebv": table.ebv[part],
        "object_id": table.object_id[part],
    }
    return rows | ({"redshift": table.z_spec[part]} if table.has_redshifts else {})


class _RunByCeci(RailStage):
    """A stage that pipelines start by its whole name, since ``python -m pix2z`` starts none."""

    @classmethod
    def generate_command(cls, *args: Any, **kwargs: Any) -> str:
        """Return the line by which ceci runs the stage in a process of its own."""
        command: str = super().generate_command(*args, **kwargs)
        return command.replace(f"-m pix2z {cls.name}", f"-m ceci {cls.get_module()}.{cls.name}")


class Pix2zInformer(_RunByCeci, CatInformer):
    """Name a trained pool as the model of `Pix2zEstimator`; it trains nothing, and takes no input.

    ``pool`` is what `pix2z.load` takes: an arm as ``full``, a folder with pool.json, or a version
    as ``models:/pix2z@champion``, which is the one that has the alias now.
    """

    name = "Pix2zInformer"
    entrypoint_function = "inform"
    interactive_function = "pix2z_informer"
    config_options = RailStage.config_options.copy()
    config_options.update(
        pool=StageParameter(
            str, "full", msg="A trained arm, a folder with pool.json, or models:/pix2z@champion"
        )
    )
    inputs: list[tuple[str, type]] = []
    outputs = [("model", PoolHandle)]

    def inform(self) -> PoolHandle:
        """Check the pool, write which one it is, and return the handle for an estimator.

        Raises
        ------
        InputError
            Nothing of that name; the message lists what there is.
        IntegrityError
            A file of the pool does not match its digest.
        """
        self.run()
        self.finalize()
        handle: PoolHandle = self.get_handle("model")
        return handle

    def run(self) -> None:
        """Find the pool and its digest."""
        folder = resolve_pool(self.config.pool).resolve()
        self.add_data("model", {"pool": str(folder), "digest": pix2z.load(folder).digest})


class Pix2zEstimator(_RunByCeci, CatEstimator):
    """Estimate redshifts from stamps, in chunks of ``chunk_size`` galaxies.

    The output is a qp ensemble of histograms on the pool's bins. Its ancillary arrays are
    ``zmode``, ``zmean`` and ``zmedian``, ``pix2z_flags`` (`pix2z.redshift_pdf.flags.ImageFlag`),
    ``id`` and, where the input has any, ``redshift``. A galaxy without a pixel has NaN throughout.
    """

    name = "Pix2zEstimator"
    entrypoint_function = "estimate"
    interactive_function = "pix2z_estimator"
    config_options = {
        key: option
        for key, option in CatEstimator.config_options.items()
        if key not in OF_OTHER_GRIDS
    }
    config_options.update(
        mapping=StageParameter(
            dict, {}, msg="Where the file keeps things: entries of ingest.hdf5 in params.yaml"
        )
    )
    inputs = [("model", PoolHandle), ("input", StampsHandle)]
    outputs = [("output", QPHandle)]

    def __init__(self, args: Any, **kwargs: Any) -> None:
        """Refuse what would have no effect."""
        for name in OF_OTHER_GRIDS & (args if isinstance(args, dict) else vars(args)).keys():
            raise InputError(f"Pix2zEstimator: {name}: expected no such option; {WHY_NOT}")
        super().__init__(args, **kwargs)

    def estimate(self, input_data: Any, **kwargs: Any) -> QPHandle:
        """Estimate all galaxies; the handle that comes back reads them when it is asked to.

        Parameters
        ----------
        input_data : a file, a handle with its path, or arrays in memory: ``images``, and ``ebv``,
            ``object_id`` and ``redshift`` where known.

        Raises
        ------
        InputError
            The file or an array is not what was expected.
        IntegrityError
            The pool is not the one that was named, or was altered.
        """
        if isinstance(input_data, str | Path):
            self.set_data("input", None, path=str(input_data), do_read=False)
        else:
            self.set_data("input", input_data, do_read=False)
        self.validate()
        self.run()
        self.finalize()
        handle = self.get_handle("output")
        if self.config.output_mode != "return":
            handle.data = None  # was the last chunk, which the next stage would take for all
        return handle

    def open_model(self, tag: str = "model", **kwargs: Any) -> dict[str, str]:
        """Load the pool that the model names; IntegrityError where another one lies there now."""
        named: dict[str, str] = super().open_model(tag, **kwargs)
        self.pool = pix2z.load(named["pool"])
        if self.pool.digest != named["digest"]:
            raise IntegrityError(
                f"{named['pool']}: expected the pool {named['digest']}; received {self.pool.digest}"
            )
        if self.config.mapping:
            self.get_handle("input", allow_missing=True).mapping = _mapping(self.config.mapping)
        return named

    @classmethod
    def default_distribution_type(cls) -> DistributionType:
        """Say that PDFs are posteriors, with the redshifts of the training sample as prior."""
        return DistributionType.posterior

    def _process_chunk(self, start: int, end: int, data: Chunk, first: bool) -> None:
        found = self.pool.estimate(data["images"], data.get("ebv"))
        histograms = {"bins": found.grid.edges, "pdfs": found.density.astype(np.float32)}
        ancillary = {
            "zmode": found.z_mode,
            "zmean": found.z_mean,
            "zmedian": found.z_median,
            "pix2z_flags": found.flags,
        }
        pdfs = qp.Ensemble(qp.hist, data=histograms | {"norm": False}, ancil=ancillary)
        columns = {name: values for name, values in data.items() if name != "images"}
        self._do_chunk_output(pdfs, start, end, first, data=columns)
