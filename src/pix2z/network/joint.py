"""All members of a pool as one network, so that a backend computes once what they share."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.network.backend import keras
from pix2z.network.estimator import Estimator, Member
from pix2z.network.recipes import uncalibrated
from pix2z.redshift_pdf.density import mix

__all__ = ["joined"]


def joined(estimator: Estimator) -> Estimator:
    """Return an estimator of the same answers, whose members run side by side in one call.

    Masking, photometry and the scaling of pixels hold no trained weights and are alike in every
    member; in one graph they are computed once.
    """
    first = estimator.members[0]
    model = _SideBySide([member.model for member in estimator.members])
    joint = _JointMember(
        architecture=first.architecture,
        model=model,
        grid=first.grid,
        settings=first.settings,
        record=first.record,
        calibration=first.calibration,
    )
    return replace(estimator, members=(joint,))


class _SideBySide(keras.Model):  # type: ignore[misc]
    """Inputs -> the output of every model, in order."""

    def __init__(self, models: list[keras.Model]) -> None:
        super().__init__(name="pool")  # the name of the class is none of TensorFlow's
        self.models = models

    def call(self, inputs: Any, training: bool = False) -> list[Any]:
        """Return a list of outputs."""
        return [model(inputs, training=training) for model in self.models]


@dataclass(frozen=True)
class _JointMember(Member):
    """Several members in the place of one."""

    def raw(self, images: NDArray[Any], ebv: NDArray[Any]) -> NDArray[np.float64]:
        """Average of the members' uncalibrated outputs, as the pool takes it."""
        outputs = self.model.predict_on_batch({"images": images, "ebv": ebv})
        return mix([uncalibrated(output, self.grid) for output in outputs])
