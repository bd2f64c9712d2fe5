# SPDX-License-Identifier: Apache-2.0
"""`pset status-list`: lists of revoked and suspended credentials, as wholes.

A reader fetches the whole list, so that nobody learns which credential is looked up.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import click

from cli.command import PsetGroup
from cli.context import CliContext, pass_context
from cli.output import details
from cli.reading import at_option, proof_option
from cli.wording import plural

SHOWN_COUNT_MAX: Final = 50
"""Set entries that are printed for people; JSON has them all."""


@click.group(
    "status-list",
    cls=PsetGroup,
    examples="$ pset status-list show did:pset:dev:3vQ…beL/resources/6f1c…",
)
def status_list() -> None:
    """Lists in which issuers revoke and suspend what they issued."""


@status_list.command(
    "show",
    examples="""
        $ pset status-list show did:pset:dev:3vQ…beL/resources/6f1c…
        $ pset status-list show did:pset:dev:3vQ…beL/resources/6f1c… --at 2026-05-14
    """,
)
@click.argument("url")
@at_option
@proof_option
@pass_context
def show(context: CliContext, url: str, at: date | int | None, proof: Path | None) -> None:
    """A whole list: purpose, size, and which entries are set.

    URL is the statusListCredential of a credential. An entry is a number without a name: only the
    issuer knows whose it is.
    """
    with context.client() as client:
        proven = client.status_list(url, at=at)
    context.save_proof(proof, proven)
    held = proven.value
    entries = set_entries(held.bitstring(), held.bits)
    data = {
        "url": held.url,
        "purpose": held.purpose,
        "size": held.size,
        "bits": held.bits,
        "version": held.version,
        "set_count": len(entries),
        "set": [{"index": index, "value": value} for index, value in entries],
    }
    shown = ", ".join(
        str(index) if held.bits == 1 else f"{index} = {value}"
        for index, value in entries[:SHOWN_COUNT_MAX]
    )
    if len(entries) > SHOWN_COUNT_MAX:
        shown += f" and {len(entries) - SHOWN_COUNT_MAX:,} more (-o json has them all)"
    rows = [
        ("list", held.url),
        ("purpose", held.purpose),
        ("entries", f"{held.size:,} of {plural(held.bits, 'bit')}"),
        ("version", held.version),
        ("set", plural(len(entries), "entry", "entries")),
        ("which", shown or None),
    ]
    context.output.read("StatusList", data, proven, details(rows))


def set_entries(bitstring: bytes, bits: int) -> list[tuple[int, int]]:
    """Index and value of every entry that is not zero; entry 0 is in the highest bits of byte 0.

    `bits` is 1, 2, 4 or 8.
    """
    per_byte, mask = 8 // bits, (1 << bits) - 1
    return [
        (number * per_byte + place, value)
        for number, byte in enumerate(bitstring)
        if byte
        for place in range(per_byte)
        if (value := byte >> (8 - bits * (place + 1)) & mask)
    ]
