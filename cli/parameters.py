# SPDX-License-Identifier: Apache-2.0
"""Kinds of values on the command line: days, durations, qualifications, organisations, bytes.

Each refuses what it cannot mean with an example of what it can; the SDK sees checked values only.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import click

from ledger.model.identifiers import (
    is_code_system,
    is_code_value,
    is_qualification,
    is_short_name,
    network_of_did,
    qualification_name,
)

_DURATION: Final = re.compile(r"([0-9]{1,6})(s|m|h|d)", re.ASCII)
_DURATION_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_HEIGHT: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_SAQA_ID: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)

_Parameter = click.Parameter | None
_Context = click.Context | None

if TYPE_CHECKING:
    ParamType = click.ParamType
else:

    class ParamType(click.ParamType):
        """Generic in new releases of click only; what it is generic in matters to type checkers."""

        def __class_getitem__(cls, _item):
            return cls


class DayType(ParamType[date]):
    """A whole day in South Africa: ``2026-05-14``."""

    name = "date"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> date:
        if isinstance(value, date):
            return value
        if _DAY.fullmatch(str(value)):
            with suppress(ValueError):
                return date.fromisoformat(value)
        return self.fail(f"{value!r} is no day; write it like 2026-05-14", param, ctx)


class WhenType(ParamType["date | int"]):
    """A day or a height: ``2026-05-14`` or ``1842``."""

    name = "date|height"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> date | int:
        if isinstance(value, (date, int)):
            return value
        if _HEIGHT.fullmatch(str(value)):
            return int(value)
        return DAY.convert(value, param, ctx)


class DurationType(ParamType[timedelta]):
    """A duration: ``30s 10m 24h 7d``."""

    name = "duration"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None or int(match[1]) == 0:
            self.fail(f"{value!r} is no duration; write it like 30s 10m 24h 7d", param, ctx)
        return timedelta(**{_DURATION_UNITS[match[2]]: int(match[1])})


class QualificationType(ParamType[str]):
    """A qualification: ``91761`` or ``za:saqa:q:91761``; answers the long form."""

    name = "qual"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> str:
        text = str(value)
        if _SAQA_ID.fullmatch(text):
            return qualification_name(int(text))
        if not is_qualification(text):
            self.fail(f"{text!r} is no qualification; write 91761 or za:saqa:q:91761", param, ctx)
        return text


class OrganisationType(ParamType[str]):
    """An organisation: DID, vouched short name (``qcto``) or vouched code (``qcto:SDP-0142``)."""

    name = "org"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> str:
        text = str(value)
        if not is_organisation_reference(text):
            self.fail(
                f"{text!r} names no organisation; write a DID, a short name such as qcto, "
                "or a code such as qcto:SDP-0142",
                param,
                ctx,
            )
        return text


class DidType(ParamType[str]):
    """A DID of this method: ``did:pset:za:…``."""

    name = "did"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> str:
        text = str(value)
        if network_of_did(text) is None:
            self.fail(f"{text!r} is no DID; it looks like did:pset:za:3vQ…beL", param, ctx)
        return text


class HexType(ParamType[bytes]):
    """Bytes in hexadecimal digits, as many as given."""

    name = "hex"

    def __init__(self, size: int | None = None) -> None:
        """Args: size: bytes wanted; None: any number but zero."""
        self.size = size

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> bytes:
        if isinstance(value, bytes):
            return value
        text = str(value)
        wanted = (
            "hexadecimal digits" if self.size is None else f"{2 * self.size} hexadecimal digits"
        )
        if not re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text, re.ASCII):
            self.fail(f"{text!r}: {wanted} are expected", param, ctx)
        if self.size is not None and len(text) != 2 * self.size:
            self.fail(f"{wanted} are expected, not {len(text)}", param, ctx)
        return bytes.fromhex(text)


class CodeType(ParamType["tuple[str, str]"]):
    """A vouched code of an organisation: ``qcto=SDP-0142``."""

    name = "system=value"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> tuple[str, str]:
        if isinstance(value, tuple):
            first, second = cast("tuple[str, str]", value)
            return first, second
        system, separator, code = str(value).partition("=")
        if not (separator and is_code_system(system) and is_code_value(code)):
            self.fail(f"{value!r} is no code; write it like qcto=SDP-0142", param, ctx)
        return system, code


def is_organisation_reference(text: str) -> bool:
    """Whether `text` has the form of a DID, a short name or ``system:value``."""
    if text.startswith("did:"):
        return network_of_did(text) is not None
    system, separator, value = text.partition(":")
    if separator:
        return is_code_system(system) and is_code_value(value)
    return is_short_name(text)


DAY: Final = DayType()
WHEN: Final = WhenType()
DURATION: Final = DurationType()
QUALIFICATION: Final = QualificationType()
ORGANISATION: Final = OrganisationType()
DID: Final = DidType()
HEX: Final = HexType()
CODE: Final = CodeType()
