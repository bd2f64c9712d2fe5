# SPDX-License-Identifier: Apache-2.0
"""What a verifier insists on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sdk.arguments import check_duration, check_flag, check_texts
from sdk.errors import CallerError

MAX_AGE_DEFAULT: Final = timedelta(days=7)
"""How old the ledger's newest known block may be for its facts to count."""

REQUIRE_HOLDER: Final = "holder"
"""The presenter must have shown to be the subject."""
REQUIRE_ANCHOR: Final = "anchor"
"""The time of issue must be proven."""
REQUIREMENTS: Final = frozenset({REQUIRE_HOLDER, REQUIRE_ANCHOR})

HEAD_AGE_MAX: Final = timedelta(minutes=10)
"""How old the newest head may be for an answer about the present, unless `max_age` allows more."""


class Policy:
    """How old facts may be, what must be shown, and whether warnings count as failures."""

    __slots__ = ("max_age", "require", "warnings_fail")

    max_age: timedelta
    require: frozenset[str]
    warnings_fail: bool

    def __init__(
        self,
        *,
        max_age: timedelta = MAX_AGE_DEFAULT,
        require: Sequence[str] = (),
        warnings_fail: bool = False,
    ) -> None:
        """Args: max_age: 0 or more; require: of REQUIREMENTS; warnings_fail: `--strict`.

        Raises:
            CallerError: REQUIREMENT_UNKNOWN, MAX_AGE_INVALID.
        """
        check_duration(max_age, "max_age", is_any=True)
        check_flag(warnings_fail, "warnings_fail")
        if not isinstance(require, str | frozenset):
            check_texts(require, "require")
        wanted = frozenset([require] if isinstance(require, str) else require)
        unknown = sorted(wanted - REQUIREMENTS)
        if unknown:
            raise CallerError(
                f"a policy cannot require {', '.join(unknown)}",
                code="REQUIREMENT_UNKNOWN",
                remedy=f"Choose of: {', '.join(sorted(REQUIREMENTS))}.",
            )
        if max_age < timedelta():
            raise CallerError(
                "facts cannot be younger than now",
                code="MAX_AGE_INVALID",
                remedy="Give a duration of 0 or more, such as 7d.",
            )
        self.max_age = max_age
        self.require = wanted
        self.warnings_fail = warnings_fail

    def __repr__(self) -> str:
        return (
            f"Policy(max_age={self.max_age!r}, require={sorted(self.require)!r}, "
            f"warnings_fail={self.warnings_fail!r})"
        )
