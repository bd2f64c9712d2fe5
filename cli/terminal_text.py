# SPDX-License-Identifier: Apache-2.0
"""Text from files and nodes on a terminal: shown, never obeyed.

Escape sequences (ECMA-48) would recolour, move or hide what a report says, and bidirectional controls
(UAX #9) reorder it. Each such character is shown by its number instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, cast

_BIDIRECTIONAL: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# C0, DEL, C1, line and paragraph separators, halves of surrogate pairs (no encoding writes them).
_UNSAFE: Final = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_BIDIRECTIONAL}]")


def escape_line(text: str) -> str:
    r"""The text as one line without any control: ``\x1b``, ``\u202e`` in its place."""
    return _UNSAFE.sub(_number, text)


def escape_lines(text: str) -> str:
    """As `escape_line` for each line of a text whose line feeds are meant."""
    return "\n".join(map(escape_line, text.split("\n")))


def escape_json(text: str) -> str:
    """The same JSON without controls in its strings; line feeds between members stay."""
    return _UNSAFE.sub(
        lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text
    )


def escape_values(value: Any) -> Any:
    """A JSON-like value with every text in it, names too, as `escape_line` shows it."""
    if isinstance(value, str):
        return escape_line(value)
    if isinstance(value, dict):
        members = cast("dict[object, object]", value)
        return {escape_values(name): escape_values(item) for name, item in members.items()}
    if isinstance(value, (list, tuple)):
        return [escape_values(item) for item in cast("Sequence[object]", value)]
    return value


def _number(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
