"""The one rule for names that people give: of files, and so of what they declare."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import StringConstraints

__all__ = ["NAME_RULE", "Name", "is_name"]

_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,47}$"
_NAME = re.compile(_PATTERN)

NAME_RULE = "a letter, then at most 47 letters, digits or underscores"
"""The rule in words."""

Name = Annotated[str, StringConstraints(pattern=_PATTERN)]
"""The name of a declaration: its file's stem."""


def is_name(text: str) -> bool:
    """Whether a text may name a declaration."""
    return _NAME.fullmatch(text) is not None
