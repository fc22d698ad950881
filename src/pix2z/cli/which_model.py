"""What commands that take a trained model share: --model, its default, and --repo."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pix2z.cli.display import say_in_words

if TYPE_CHECKING:
    from pix2z.tracking.kinds import Kind

__all__ = [
    "MODEL_HELP",
    "REGISTERED_HELP",
    "ModelOption",
    "RegisteredOption",
    "RepoOption",
    "chosen_model",
    "in_repository",
]

MODEL_HELP = (
    "An arm or a fine-tuned model as full, the student that pix2z brings, a folder of one, or a "
    "version as models:/pix2z-full/3 or pix2z@champion."
)

REGISTERED_HELP = (
    "A registered model: an arm or a fine-tuned one as full, its folder, or a version as "
    "models:/pix2z-full/3 or pix2z@champion."
)


def _known_names(incomplete: str) -> list[str]:
    """Names of models, for the shell to complete."""
    from pix2z.tracking.model_names import STUDENT

    brought = {STUDENT} if STUDENT.startswith(incomplete) else set()
    return sorted(brought.union(_trained_names(incomplete)))


def _trained_names(incomplete: str) -> list[str]:
    """Names of models that were trained here."""
    from pix2z.tracking.checkout import models_home
    from pix2z.tracking.kinds import POOLS

    found = (models_home().glob(f"{at}/*/{POOLS.saved}") for at in POOLS.folders)
    names = sorted({path.parent.name for paths in found for path in paths})
    return [name for name in names if name.startswith(incomplete)]


ModelOption = Annotated[
    str | None,
    typer.Option(
        help=MODEL_HELP,
        show_default="the champion, else full, else student",
        autocompletion=_known_names,
    ),
]

RegisteredOption = Annotated[
    str | None,
    typer.Option(
        help=REGISTERED_HELP,
        show_default="the champion, else full",
        autocompletion=_trained_names,
    ),
]


def _use(folder: Path | None) -> None:
    if folder is not None:
        from pix2z.tracking.checkout import use_repository

        use_repository(folder)


RepoOption = Annotated[
    Path | None,
    typer.Option(
        "--repo",
        callback=_use,
        is_eager=True,
        help="Checkout whose models, registry and params.yaml are meant.",
        show_default="PIX2Z_HOME, else found upwards from here",
    ),
]


def in_repository(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option --repo, which takes effect before the command runs."""

    @wraps(command)
    def run(*arguments: Any, repo: Path | None = None, **options: Any) -> None:  # noqa: ARG001
        command(*arguments, **options)

    signature = inspect.signature(command)
    repo = inspect.Parameter(
        "repo", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=RepoOption
    )
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), repo]
    )
    return run


def chosen_model(model: str | None, kind: "Kind | None" = None) -> Path:
    """Return the folder of what --model names, else of the model that is taken without it.

    Which that is, is said; so is what trained the student that comes with the package.

    Parameters
    ----------
    kind : of tracking.kinds; None for `POOLS`.
    """
    from pix2z.tracking.kinds import POOLS
    from pix2z.tracking.model_names import (
        SHIPPED,
        SHIPPED_LEARNED,
        SHIPPED_NOUN,
        default_model,
        resolve_model,
    )

    kind = kind or POOLS
    if model is None:
        model, words = default_model(kind)
        say_in_words(words)
        return resolve_model(model, kind)
    folder = resolve_model(model, kind)
    if folder == SHIPPED:
        say_in_words(f"{model} is {SHIPPED_NOUN}. {SHIPPED_LEARNED}")
    return folder
