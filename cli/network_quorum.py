# SPDX-License-Identifier: Apache-2.0
"""A quorum in words: how many validators it takes, how many may fail, what happens without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cli.wording import plural
from ledger.model.certificate import FaultModel, quorum_size

_NUMBERS: Final = (
    *("none", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
LIARS_NODES_MIN: Final = 4
"""Validators of the smallest network in which one that lies deceives nobody."""


@dataclass(frozen=True, slots=True)
class Quorum:
    """What a network's validators and its fault model mean."""

    of: int
    fault_model: str

    @property
    def needed(self) -> int:
        """Validators that must sign a block."""
        return quorum_size(self.of, self.fault_model)

    @property
    def may_fail(self) -> int:
        """How many may stop, and writes go on."""
        return self.of - self.needed

    @property
    def may_lie(self) -> int:
        """How many may lie, and deceive nobody: f of `byzantine`, none of `crash`."""
        return 0 if self.fault_model == FaultModel.CRASH else (self.of - 1) // 3

    @property
    def text(self) -> str:
        """``3 validators, quorum 2: one may fail``."""
        told = (
            f"{plural(self.of, 'validator')}, quorum {self.needed}: {spell(self.may_fail)} may fail"
        )
        if self.may_lie:
            lie, deceive = ("lies", "deceives") if self.may_lie == 1 else ("lie", "deceive")
            told += f"; {spell(self.may_lie)} that {lie} {deceive} nobody"
        return told

    @property
    def warning(self) -> str:
        """What whoever chose so may not expect, or an empty string."""
        if self.fault_model != FaultModel.CRASH and not self.may_lie:
            return (
                f"with {plural(self.of, 'validator')} the fault model byzantine protects from no"
                f" liar: it takes {LIARS_NODES_MIN} against one, 7 against two"
            )
        if self.of > 1 and not self.may_fail:
            return (
                f"{plural(self.of, 'validator')} survive no failure, for a quorum needs both:"
                " it takes 3 to survive one"
            )
        return ""

    def status_text(self, voting: int) -> str:
        """``2 of 3 validators voting, 2 needed: none may fail``."""
        first = f"{voting} of {plural(self.of, 'validator')} voting, {self.needed} needed: "
        spare = voting - self.needed
        if spare < 0:
            return first + f"no writes until {plural(-spare, 'more vote')}"
        if spare == 0:
            return first + "none may fail"
        return first + f"{spare} more may fail before writes stop"

    def loss_text(self, left: int) -> str:
        """What it means that only so many would be left who vote."""
        return (
            f"then {left} of {plural(self.of, 'validator')} would vote and {self.needed} are needed:"
            f" nothing more is certified until {plural(self.needed - left, 'more votes', 'more vote')}"
            " again; what is certified stays"
        )


def spell(number: int) -> str:
    """``none``, ``one`` … ``twelve``, then digits."""
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)
