"""How one arm is trained: its section of params.yaml, under the best settings of the study."""

from dataclasses import dataclass
from pathlib import Path

from pix2z.config.arms import Arm, read_arm
from pix2z.config.networks import SOFTMAX_CONFIGS, PublishedCnnConfig, SoftmaxConfig
from pix2z.config.pdf import PdfConfig
from pix2z.files import read_json

__all__ = ["ArmTraining", "read_training"]

BEST_SETTINGS = "reports/tuning/best_params.json"


@dataclass(frozen=True)
class ArmTraining:
    """One arm and the settings that its networks are trained with."""

    name: str
    arm: Arm
    settings: SoftmaxConfig | PublishedCnnConfig
    pdf: PdfConfig


def read_training(name: str, *, root: Path = Path()) -> ArmTraining:
    """Read how an arm is trained, from params.yaml and from what tuning found, under `root`.

    Raises
    ------
    ParamsError
        params.yaml has no such arm, or a key at fault.
    InputError
        The best settings of the study are missing; every hybrid arm is trained with them.
    """
    params = root / "params.yaml"
    arm = read_arm(name, params)
    section: type[SoftmaxConfig | PublishedCnnConfig] = SOFTMAX_CONFIGS.get(
        arm.architecture, PublishedCnnConfig
    )
    settings = section.read(params)
    if arm.architecture == "hybrid":
        tuned = read_json(root / BEST_SETTINGS)
        settings = section.model_validate({**settings.model_dump(), **tuned})
    return ArmTraining(name, arm, settings, PdfConfig.read(params))
