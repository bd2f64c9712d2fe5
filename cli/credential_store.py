# SPDX-License-Identifier: Apache-2.0
"""The issuer's private store on the command line: where it lies, and an issuer over it.

Without ``--store`` it is DIR/stores/ORG/issuer.db on a development network and
HOME/stores/NETWORK/ORG/issuer.db on every other one; ORG is the short name. Beside it lies its key
(issuer.db.key). Both are personal data of the learners: back them up together (docs/issuer-store.md).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from cli.errors import CommandError
from cli.parameters import HexType
from cli.reading import FILE
from cli.write_options import IDEMPOTENCY_KEY_SIZE, WAIT_FORMS
from cli.writing import WriteOptions

if TYPE_CHECKING:
    from cli.context import CliContext
    from sdk.client import LedgerClient
    from sdk.issuer import Issuer

STORES_DIRECTORY: Final = "stores"
STORE_FILE: Final = "issuer.db"

F = TypeVar("F", bound=Callable[..., Any])


def store_option(function: F) -> F:
    """``--store FILE``: an argument ``store``."""
    return click.option(
        "--store",
        type=FILE,
        metavar="FILE",
        help="The issuer's private record of what it issued. Default: stores/ORG/issuer.db of the"
        " network.",
    )(function)


def issuing_options(key_help: str) -> Callable[[F], F]:
    """The options of writes, for commands of an issuer: an argument ``write``.

    The issuer's own record ids make its commands idempotent, and only a final answer counts.

    Args:
        key_help: what ``--idempotency-key`` does.
    """

    def decorate(function: F) -> F:
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
                help="Either way the command returns when the answer is final: the store needs it.",
            ),
            click.option(
                "--idempotency-key",
                type=HexType(IDEMPOTENCY_KEY_SIZE),
                metavar="HEX",
                help=key_help,
            ),
            click.option(
                "--dry-run", is_flag=True, help="Print the decision; issue and send nothing."
            ),
            click.option(
                "--no-client-checks",
                is_flag=True,
                help="Development: leave every refusal to the node.",
            ),
        )
        decorated: Any = with_options
        for option in reversed(decorators):
            decorated = option(decorated)
        result: F = decorated
        return result

    return decorate


def find_store(context: CliContext, given: Path | None) -> Path:
    """Where the store lies or would lie."""
    if given is not None:
        return given
    network = context.network()
    name = context.short_name(context.acting())
    if network.is_development:
        return network.directory / STORES_DIRECTORY / name / STORE_FILE
    return context.home.directory / STORES_DIRECTORY / network.name / name / STORE_FILE


@contextmanager
def opened_issuer(
    context: CliContext, store: Path | None, write: WriteOptions, *, may_create: bool
) -> Generator[tuple[LedgerClient, Issuer]]:
    """An issuer that acts for the organisation of ``--as``, and its client.

    Args:
        context: of the command.
        store: as given to ``--store``.
        write: of the command.
        may_create: whether a store that does not exist is made.

    Raises:
        CommandError: STORE_NOT_FOUND; and as `CliContext.client`.
    """
    from sdk.issuer import Issuer

    path = find_store(context, store)
    exists = path.exists()
    if not exists and not may_create:
        raise CommandError(
            f"there is no store {path}: nothing was issued from it",
            code="STORE_NOT_FOUND",
            remedy="Name the issuer with --as and its store with --store.",
        )
    if not exists and not write.dry_run:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        context.client(write) as client,
        Issuer(
            client,
            store=path,
            key=context.signer("issue") if may_create else None,
            # Asked only for a store that is encrypted; a new one is when PSET_PASSPHRASE_FILE is set.
            passphrase=context.passphrase(f"Passphrase of {path}") if exists else None,
        ) as issuer,
    ):
        yield client, issuer
