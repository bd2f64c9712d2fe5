# SPDX-License-Identifier: Apache-2.0
"""The issuer's private store on the command line: where it lies, and an issuer over it.

Without ``--store`` it is DIR/stores/ORG/issuer.db on a development network and
HOME/stores/NETWORK/ORG/issuer.db on every other one; ORG is the short name. Beside it lies its key
(issuer.db.key). Both are personal data of the learners: back them up together.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from cli.errors import CommandError
from cli.reading import FILE
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


def issuing_options(function: F) -> F:
    """``--dry-run`` and ``--no-client-checks``: an argument ``write``.

    The issuer's own record ids make its commands idempotent, and only a final answer counts.
    """
    import functools

    @functools.wraps(function)
    def with_options(*args: Any, dry_run: bool, no_client_checks: bool, **kwargs: Any) -> Any:
        write = WriteOptions("certified", None, dry_run, not no_client_checks)
        return function(*args, write=write, **kwargs)

    decorated: Any = click.option(
        "--no-client-checks",
        is_flag=True,
        help="Development: leave every refusal to the node.",
    )(with_options)
    decorated = click.option(
        "--dry-run", is_flag=True, help="Print the decision; issue and send nothing."
    )(decorated)
    result: F = decorated
    return result


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
            key=context.signer("issue") if may_create and not write.dry_run else None,
            # Asked only for a store that is encrypted; a new one is when PSET_PASSPHRASE_FILE is set.
            passphrase=context.passphrase(f"Passphrase of {path}") if exists else None,
        ) as issuer,
    ):
        yield client, issuer
