# SPDX-License-Identifier: Apache-2.0
"""Values on the command line: what is taken, and what is refused with an example."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import click
import pytest

from cli.parameters import (
    CODE,
    DAY,
    DID,
    DURATION,
    HEX,
    ORGANISATION,
    QUALIFICATION,
    WHEN,
    HexType,
)
from ledger.model.hashes import compute_did

NAMED = compute_did("dev", b"request")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (DAY, "2026-05-14", date(2026, 5, 14)),
        (WHEN, "2026-05-14", date(2026, 5, 14)),
        (WHEN, "1842", 1842),
        (WHEN, "20260514", 20260514),
        (DURATION, "30s", timedelta(seconds=30)),
        (DURATION, "10m", timedelta(minutes=10)),
        (DURATION, "24h", timedelta(hours=24)),
        (DURATION, "7d", timedelta(days=7)),
        (QUALIFICATION, "91761", "za:saqa:q:91761"),
        (QUALIFICATION, "za:saqa:q:91761", "za:saqa:q:91761"),
        (ORGANISATION, "qcto", "qcto"),
        (ORGANISATION, "qcto:SDP-0142", "qcto:SDP-0142"),
        (ORGANISATION, NAMED, NAMED),
        (DID, NAMED, NAMED),
        (HEX, "00fF", b"\x00\xff"),
        (HexType(2), "00ff", b"\x00\xff"),
        (CODE, "qcto=SDP-0142", ("qcto", "SDP-0142")),
    ],
)
def test_taken(kind: Any, text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value
    assert kind.convert(value, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (DAY, "14 May 2026"),
        (DAY, "2026-02-30"),
        (DAY, "2026-5-14"),
        (DAY, "\uff12\uff10\uff12\uff16-05-14"),
        (WHEN, "-1"),
        (WHEN, "soon"),
        (DURATION, "30"),
        (DURATION, "0s"),
        (DURATION, "1w"),
        (DURATION, "-1d"),
        (QUALIFICATION, "electrician"),
        (QUALIFICATION, "091761"),
        (QUALIFICATION, "za:saqa:q:"),
        (ORGANISATION, "../qcto"),
        (ORGANISATION, "QCTO"),
        (ORGANISATION, "did:web:example.org"),
        (ORGANISATION, "qcto:"),
        (DID, "qcto"),
        (HEX, "f"),
        (HEX, ""),
        (HEX, "0x00"),
        (HexType(2), "00"),
        (CODE, "qcto"),
        (CODE, "qcto="),
        (CODE, "QCTO=1"),
    ],
)
def test_refused(kind: Any, text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)
