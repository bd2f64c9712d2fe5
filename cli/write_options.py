# SPDX-License-Identifier: Apache-2.0
"""The options of every command that submits, as one argument ``write``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from cli.parameters import HexType

IDEMPOTENCY_KEY_SIZE: Final = 16
WAIT_FORMS: Final = ("accepted", "certified")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to submit."""

    wait: str
    idempotency_key: bytes | None
    dry_run: bool
    client_checks: bool


def write_options(function: F) -> F:
    """Give a command the options of everything that submits, as one argument ``write``."""

    @functools.wraps(function)
    def with_options(
        *args: Any,
        wait: str,
        idempotency_key: bytes | None,
        dry_run: bool,
        no_client_checks: bool,
        **kwargs: Any,
    ) -> Any:
        write = WriteOptions(wait, idempotency_key, dry_run, not no_client_checks)
        return function(*args, write=write, **kwargs)

    decorators = (
        click.option(
            "--wait",
            type=click.Choice(WAIT_FORMS),
            default="certified",
            show_default=True,
            help="Return when queued, or when final.",
        ),
        click.option(
            "--idempotency-key",
            type=HexType(IDEMPOTENCY_KEY_SIZE),
            metavar="HEX",
            help="16 bytes: the same key again gives the first receipt again.",
        ),
        click.option("--dry-run", is_flag=True, help="Print the ledger's decision; send nothing."),
        click.option(
            "--no-client-checks",
            is_flag=True,
            help="Development: leave every refusal to the node.",
        ),
    )
    decorated: Any = with_options
    for decorate in reversed(decorators):
        decorated = decorate(decorated)
    result: F = decorated
    return result
