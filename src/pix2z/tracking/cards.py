"""The model card: what a version of a registered model says of itself, in markdown.

One template, templates/model_card.md.j2, for pools of redshift networks and for spectrum networks.
The card ends with the commands that make the version again.
"""

from collections.abc import Mapping

from pix2z.evaluation.report import markdown_templates
from pix2z.files import read_json
from pix2z.tracking.served_forms import POOL
from pix2z.tracking.trainings import TrainedModel

__all__ = ["render_card"]


def render_card(model: TrainedModel, code: Mapping[str, str]) -> str:
    """Return the card in markdown.

    Parameters
    ----------
    code : tags of the run that owns the version; `git_commit` and `git_dirty` tell what made it.
    """
    is_pool = model.form is POOL
    template = markdown_templates("pix2z.tracking").get_template("model_card.md.j2")
    return template.render(
        model=model,
        owner=model.owner,
        is_pool=is_pool,
        knows_unlike=is_pool and "sample_density" in read_json(model.folder / "pool.json"),
        params=model.runs[0].params,
        commands=_commands(model, code),
        altered=code.get("git_dirty") == "true",
    ).strip()


def _commands(model: TrainedModel, code: Mapping[str, str]) -> list[str]:
    """Commands that make the version again; none where no commit is known.

    The results of a run are committed after it. Once they are, that commit has the very inputs of
    the training in its dvc.lock, and the training alone is repeated; until then DVC has to find out
    what else is to be made, from the commit of the code.
    """
    made_by, preset = code.get("git_commit"), code.get("workspace_preset")
    if holds_it := model.owner.commit:
        return [f"git checkout {holds_it}", "dvc pull", f"dvc repro -f -s {model.command}"]
    if not made_by:
        return []
    checkout = f"git checkout {made_by}"
    if not model.is_stage:
        return [checkout, model.command]
    if preset:  # in a folder of its own, which is not under git
        folder = f"build/{preset}"
        made = [f"pix2z workspace {folder} --preset {preset}", f"cd {folder}"]
        return [checkout, *made, f"dvc repro {model.command}"]
    return [checkout, "dvc pull --allow-missing", f"dvc repro {model.command}"]
