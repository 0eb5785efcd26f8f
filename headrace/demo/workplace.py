"""Where the demo runs: a folder with the demo project in it, emptied of what an earlier demo left."""

from __future__ import annotations

import shutil
from pathlib import Path

from connectors.errors import ConfigError
from headrace.template_project import copy_template, template_folder

__all__ = ["default_folder", "prepare"]

_MARK = "demo"


def default_folder() -> Path:
    """The demo project itself where the working folder is a checkout, else `headrace-demo` below it."""
    here = Path.cwd() / "sync_configs"
    return here if here == template_folder() else Path.cwd() / "headrace-demo"


def prepare(folder: Path) -> None:
    """Put the demo project into a folder and begin anew; declarations that stand there are kept as they are.

    Raises:
        ConfigError: the folder holds something that no demo made.
    """
    home = folder / ".headrace"
    if (home / _MARK).exists():
        shutil.rmtree(home)
    elif any(home.glob("*.d*b")):
        raise ConfigError(f"{home} holds data that no demo made; delete it, or choose another folder")
    if not (folder / "headrace.yml").exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty and holds no project; choose another folder")
        copy_template(folder)
    home.mkdir(mode=0o700, exist_ok=True)
    (home / ".gitignore").write_text("*\n")
    (home / _MARK).write_text("Made by `headrace demo`, which deletes this folder when it runs again.\n")
