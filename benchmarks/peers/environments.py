"""A virtual environment for each contender, made where it is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["environment"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent


def environment(name: str) -> Path:
    """The folder of a contender's programs.

    A peer is installed at its pinned versions. headrace is installed from a wheel built now, over the locked
    versions of what it needs.
    """
    venv = _HERE / f".venv-{name}"
    python = venv / "bin" / "python"
    ready = venv / ".ready"
    if not ready.exists():
        shutil.rmtree(venv, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(venv))
        if name == "headrace":
            _install(python, "--require-hashes", "-r", str(_ROOT / "constraints.txt"))
        else:
            _install(python, "-r", str(_HERE / f"requirements-{name}.txt"))
        ready.touch()
    if name == "headrace":
        with TemporaryDirectory() as folder:
            build = ("--no-deps", "--no-build-isolation", "--wheel-dir", folder, str(_ROOT))
            _run(sys.executable, "-m", "pip", "wheel", "--quiet", *build)
            _install(python, "--no-deps", "--force-reinstall", *map(str, Path(folder).glob("*.whl")))
    return venv / "bin"


def _install(python: Path, *what: str) -> None:
    _run(str(python), "-m", "pip", "install", "--quiet", *what)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
