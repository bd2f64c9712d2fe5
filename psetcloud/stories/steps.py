# SPDX-License-Identifier: Apache-2.0
"""What a story is made of. A story is a generator: it yields steps and is sent what came of them.

It runs nothing itself, so whoever tells it (`pset demo`, a test) decides how a command is run and
shows exactly the command that ran. What no command does, because it is dishonest or happens outside
this software, the story does itself before it yields the `Deed` that says so.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading."""

    title: str


@dataclass(frozen=True, slots=True)
class Command:
    """A `pset` command and what it is for."""

    text: str
    """What happens, one sentence; empty: it belongs to the step before."""
    arguments: tuple[str, ...]
    """After `pset --network DIR`."""
    exit_code: int = 0
    """With which it has to end for the story to go on."""
    saved_to: Path | None = None
    """File into which its standard output goes."""
    is_shown: bool = False
    """Whether what it prints is part of the story; otherwise its outcome is told in one line."""
    lines_max: int | None = None
    """How much of what it prints is shown; None: all."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something no command does; it has been done."""

    text: str
    how: str
    """In which way, for those who want to repeat it."""


Step: TypeAlias = Chapter | Command | Deed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step."""

    exit_code: int = 0
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """`data` of the JSON that the command printed; empty for a command that is shown."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A credential file that the story leaves behind, and what a verifier must say of it."""

    name: str
    file: Path
    verdict: str
    """`valid` or `invalid`."""
    code: str | None
    """The verdict code; None: valid."""
    text: str
    """What became of it."""
    is_warned: bool = False
    """Whether the check of authority has to warn."""


Story: TypeAlias = Generator[Step, Outcome, tuple[Sample, ...]]
