# SPDX-License-Identifier: Apache-2.0
"""What a workload is, and what it is given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.results import Figure
from benchmarks.timing import Effort

SEED: Final = 20_240_601
"""From which every workload makes its inputs: two runs measure the same bytes."""


@dataclass(frozen=True, slots=True)
class Context:
    """How one run measures."""

    directory: Path
    """Where stores and nodes may be; removed after the run."""
    effort: Effort
    is_quick: bool = False
    seed: int = SEED
    note: Callable[[str], object] = print
    """Tells whoever watches what is being done."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A group of figures with a name to ask for; the module of `run` describes it."""

    name: str
    run: Callable[[Context], Iterator[Figure]]

    @property
    def text(self) -> str:
        """First sentence of the module's description."""
        description = sys.modules[self.run.__module__].__doc__ or ""
        return " ".join(description.partition("\n\n")[0].split())
