"""The project that `headrace init` and `headrace demo` begin with: a copy of the demo project."""

from __future__ import annotations

import shutil
from pathlib import Path

from connectors.errors import ConfigError

__all__ = ["copy_template", "template_folder"]


def template_folder() -> Path:
    """Where the demo project is: inside of the package where it is installed, beside it in a checkout.

    Raises:
        ConfigError: neither is there.
    """
    package = Path(__file__).parent
    for folder in (package / "template", package.parent / "sync_configs"):
        if (folder / "headrace.yml").is_file():
            return folder
    raise ConfigError("the template project is missing from this installation: install headrace again")


def copy_template(to: Path) -> None:
    """Copy the demo project's declarations into a folder, made where it is missing; nothing is written over.

    Raises:
        ConfigError: the folder holds a project already, or a file stands where it would be.
    """
    template = template_folder()
    declarations = sorted(
        file.relative_to(template)
        for file in template.rglob("*")
        if file.is_file() and not {".headrace", "__pycache__"} & set(file.relative_to(template).parts)
    )
    standing = [str(file) for file in declarations if (to / file).exists()]
    if standing:
        raise ConfigError(f"{to} holds {standing[0]} already; choose another folder")
    try:
        for file in declarations:
            (to / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(template / file, to / file)
    except OSError as error:
        raise ConfigError(f"{error.filename or to}: {error.strerror}") from None
