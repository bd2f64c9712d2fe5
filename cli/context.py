# SPDX-License-Identifier: Apache-2.0
"""The global flags, and what a command gets from them: output, network, keys, a connected client.

A global flag may stand before or after the sub-command; the last one wins. A flag wins over the
environment, the environment over the profile. This is the edge at which the environment is read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import CommandError
from cli.output import Output
from cli.parameters import DURATION, ORGANISATION, is_organisation_reference
from cli.terminal_text import escape_line, escape_lines
from sdk.errors import PsetError
from sdk.passphrases import PASSPHRASE_FILE_VARIABLE

if TYPE_CHECKING:
    import logging

    from cli.output import ProvenAnswer
    from cli.write_options import WriteOptions
    from sdk.client import LedgerClient
    from sdk.home import Home
    from sdk.networks import Network
    from sdk.signers import KeyStore, Signer

AS_VARIABLE: Final = "PSET_AS"
NETWORK_VARIABLE: Final = "PSET_NETWORK"
NO_COLOR_VARIABLE: Final = "NO_COLOR"
LOGGER: Final = "psetledger"
"""Root of what the SDK logs."""
TIMEOUT_DEFAULT: Final = timedelta(seconds=30)

NETWORK_HERE: Final = Path("pset-network")
"""Where `pset network up` makes a network."""

OUTPUT_FORMS: Final = ("table", "json")


@dataclass(slots=True)
class Settings:
    """The global flags as given; None or False: not given."""

    home: Path | None = None
    network: str | None = None
    acting: str | None = None
    output: str | None = None
    quiet: bool = False
    verbose: int = 0
    no_color: bool = False
    timeout: timedelta | None = None
    yes: bool = False


class CliContext:
    """What a command gets from the global flags. Nothing is opened before it is asked for."""

    def __init__(self) -> None:
        self.settings = Settings()
        self._is_proof_handled = False

    # ---- output

    @property
    def json_wanted(self) -> bool:
        return self.settings.output == "json"

    @property
    def output(self) -> Output:
        """Where results, progress and errors go."""
        return Output(
            json_wanted=self.json_wanted,
            quiet=self.settings.quiet,
            color=not (self.settings.no_color or os.environ.get(NO_COLOR_VARIABLE)),
        )

    @contextmanager
    def logging(self) -> Generator[None]:
        """With ``-v`` show on stderr what the SDK logs meanwhile; with ``-vv`` all of it."""
        if not self.settings.verbose:
            yield
            return
        import logging

        handler = logging.StreamHandler(self.output.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        handler.addFilter(_escape_record)
        logger = logging.getLogger(LOGGER)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if self.settings.verbose == 1 else logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    def confirm(self, question: str) -> None:
        """Ask before something that cannot be undone; ``--yes`` answers, and so does nobody.

        Raises:
            CommandError: NOT_CONFIRMED.
        """
        if self.settings.yes:
            return
        if sys.stdin.isatty() and click.confirm(escape_line(question), err=True):
            return
        raise CommandError(
            f"not confirmed: {question}", code="NOT_CONFIRMED", remedy="Add --yes to agree."
        )

    # ---- network and client

    @property
    def home(self) -> Home:
        """``--home``, else PSET_HOME, else ~/.pset."""
        from sdk.home import Home

        return Home.find(self.settings.home)

    @property
    def timeout(self) -> timedelta:
        return self.settings.timeout or TIMEOUT_DEFAULT

    def network(self) -> Network:
        """The pinned network that is meant.

        Raises:
            PsetError: as `sdk.networks.resolve_network`.
        """
        from sdk.networks import resolve_network

        with _naming_the_network_here():
            return resolve_network(self.settings.network, self.home)

    @property
    def is_network_named(self) -> bool:
        """Whether ``--network`` or PSET_NETWORK names one."""
        return self.settings.network is not None or bool(os.environ.get(NETWORK_VARIABLE))

    @property
    def is_network_chosen(self) -> bool:
        """Whether the profile does, if nothing else."""
        return self.is_network_named or self.home.read_profile().network is not None

    @contextmanager
    def client(
        self, write: WriteOptions | None = None, *, role: str = "ledger"
    ) -> Generator[LedgerClient]:
        """A connected client, closed at the end.

        Args:
            write: of a command that submits: then it acts for the organisation of ``--as``, with
                that organisation's key; None: it only reads.
            role: of that key: ``ledger``, or ``admin`` for what controls a DID.

        Raises:
            CommandError: NO_ORGANISATION, KEY_ROLE_NOT_HELD.
            PsetError: as `LedgerClient.connect`.
        """
        from sdk.client import LedgerClient

        acting = self.acting_or_none() if write is None else self.acting()
        with _naming_the_network_here():
            client = LedgerClient.connect(
                self.settings.network,
                org=acting,
                signer=None if write is None else self.signer(role),
                timeout=self.timeout,
                home=self.settings.home,
                client_checks=write is None or write.client_checks,
            )
        with client:
            yield client

    # ---- acting organisation and its keys

    def acting(self) -> str:
        """The organisation that acts: ``--as``, else PSET_AS, else the profile.

        Raises:
            CommandError: NO_ORGANISATION, ORGANISATION_MALFORMED.
        """
        org = self.acting_or_none()
        if org is None:
            raise CommandError(
                "this command acts for an organisation, and none is named",
                code="NO_ORGANISATION",
                remedy=f"Add --as ORG or set {AS_VARIABLE}.",
            )
        return org

    def acting_or_none(self) -> str | None:
        """As `acting`, None when no organisation is named."""
        org = (
            self.settings.acting
            or os.environ.get(AS_VARIABLE)
            or self.home.read_profile().organisation
        )
        # A flag was checked when it was parsed; it names a directory of keys, so the others are too.
        if org is not None and not is_organisation_reference(org):
            raise CommandError(
                f"{org!r} names no organisation",
                code="ORGANISATION_MALFORMED",
                remedy=f"Mend {AS_VARIABLE} or the profile: a DID, a short name or a code.",
            )
        return org

    def act_for(self, org: str) -> None:
        """Act for this organisation unless ``--as`` or PSET_AS names another."""
        if self.settings.acting is None and not os.environ.get(AS_VARIABLE):
            self.settings.acting = org

    def key_store(self, org: str | None = None) -> KeyStore:
        """The keys of an organisation, by default of the one that acts.

        A development network keeps them in DIR/keys/ORG; those of other networks, and of
        organisations that are not there, lie in HOME/keys/ORG. ORG is the short name. Keys may be
        made before any network is configured.

        Raises:
            CommandError: NO_ORGANISATION.
            PsetError: as `sdk.networks.resolve_network`.
        """
        from sdk.signers import KeyStore

        roots = [self.home.keys]
        try:
            network = self.network()
            if network.is_development:
                roots.insert(0, network.key_directory)
        except PsetError as error:
            if error.code != "NO_TRUST_ROOT" or self.settings.network is not None:
                raise
        name = self.short_name(org or self.acting())
        held = [root / name for root in roots if (root / name).is_dir()]
        return KeyStore(held[0] if held else roots[0] / name)

    def short_name(self, org: str) -> str:
        """The vouched short name of an organisation: looked up on the ledger unless it is one."""
        if ":" not in org:
            return org
        with self.client() as client:
            return client.organisation(org).value.short_name

    def signer(self, role: str, org: str | None = None) -> Signer:
        """The organisation's key of a role; of several the one that the ledger knows as valid now.

        Raises:
            CommandError: NO_ORGANISATION, KEY_ROLE_NOT_HELD.
            PsetError: as `KeyStore.load`.
        """
        acting = org or self.acting()
        store = self.key_store(acting)
        held = [key for key in store.list() if key.role.label == role]
        if not held:
            raise CommandError(
                f"there is no {role} key in {store.directory}",
                code="KEY_ROLE_NOT_HELD",
                remedy=f"Make one with `pset key generate NAME --role {role} --as {acting}`, or name"
                " another organisation with --as.",
            )
        names = [key.name for key in held]
        if len(held) > 1:
            valid = self._valid_keys(acting)
            names = [key.name for key in held if key.public_key in valid] or names
        return store.load(names[-1], self.passphrase())

    def _valid_keys(self, org: str) -> set[bytes]:
        from ledger.model.multibase import decode_multikey

        with self.client() as client:
            did = client.organisation(org).value.did
            proven = client.did_history(did)
        return {
            decode_multikey(key.public_key)[1]
            for key in proven.value.keys
            if key.compromised_since is None
            and (key.valid_until is None or key.valid_until > datetime.now(UTC))
        }

    def passphrase(self, prompt: str = "Passphrase", *, confirm: bool = False) -> Callable[[], str]:
        """Where a passphrase comes from when one is needed: PSET_PASSPHRASE_FILE or the terminal."""

        def ask() -> str:
            from sdk.passphrases import find_passphrase

            read = find_passphrase(None)
            if read is not None:
                return read()
            if not sys.stdin.isatty():
                raise CommandError(
                    "a passphrase is needed and nobody can be asked",
                    code="PASSPHRASE_NEEDED",
                    remedy=f"Put it into a file and name that in {PASSPHRASE_FILE_VARIABLE}.",
                )
            answer: str = click.prompt(
                prompt, hide_input=True, confirmation_prompt=confirm, err=True
            )
            return answer

        return ask

    # ---- proofs

    def save_proof(self, path: Path | None, proven: ProvenAnswer) -> None:
        """Write the proof of a read for ``--proof FILE``; nothing when that was not given.

        Raises:
            CommandError: PROOF_TOO_LARGE: the answer rests on more than one proof file holds.
        """
        if path is None:
            return
        self.save_proof_file(path, getattr(proven, "proof", b""))

    def save_proof_file(self, path: Path | None, data: bytes) -> None:
        """As `save_proof`, of a proof file's bytes; empty: they are too many for one file."""
        if path is None:
            return
        from cli.written_files import write_named_file

        self._is_proof_handled = True
        if not data:
            raise CommandError(
                "the proof of this answer is larger than a proof file may be",
                code="PROOF_TOO_LARGE",
                remedy="Ask for less: one organisation, one grant, one list.",
            )
        write_named_file(path, data, "--proof")
        self.output.progress(f"proof saved: {path} ({len(data):,} bytes)")

    @contextmanager
    def saving_absence(self, path: Path | None) -> Generator[None]:
        """Save the proof that an error rests on: that there is nothing of the kind.

        Whoever gave ``--proof`` is told when in the end there is nothing to save.

        Raises:
            CommandError: FILE_UNWRITABLE, before anything is asked.
        """
        if path is not None:
            from cli.written_files import check_place

            check_place(path, "--proof")
        try:
            yield
        except PsetError as error:
            if not self._is_proof_handled and error.proof:
                self.save_proof_file(path, error.proof)
            self._tell_unsaved(path)
            raise
        self._tell_unsaved(path)

    def _tell_unsaved(self, path: Path | None) -> None:
        if path is not None and not self._is_proof_handled:
            self.output.hint(
                f"no proof saved to {path}: nothing that the ledger proves led to this"
            )


def _escape_record(record: logging.LogRecord) -> bool:
    """What a node said is shown on the terminal, not obeyed by it."""
    record.msg, record.args = escape_lines(record.getMessage()), None
    return True


@contextmanager
def _naming_the_network_here() -> Generator[None]:
    """Where no network was chosen and one lies in this directory, say so. It is not taken unasked."""
    try:
        yield
    except PsetError as error:
        if error.code == "NO_TRUST_ROOT" and (NETWORK_HERE / "network.json").is_file():
            error.remedy = f"A network lies here: add --network ./{NETWORK_HERE}. {error.remedy}"
        raise


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a global flag that was given, wherever it stood."""
    if value is None or value is False or value == 0:
        return
    settings = ctx.ensure_object(CliContext).settings
    assert param.name is not None
    if param.name == "verbose":
        value += settings.verbose
    setattr(settings, param.name, value)


class GlobalOption(click.Option):
    """A global flag: completed everywhere, shown in the help of `pset` itself only."""

    def __init__(self, *args: Any, is_shown: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_shown = is_shown

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        return super().get_help_record(ctx) if self._is_shown else None


def global_options(*, shown: bool) -> list[click.Option]:
    """The global flags as options of one command."""

    def option(*declarations: str, help: str, **extra: Any) -> click.Option:  # noqa: A002
        return GlobalOption(
            declarations,
            help=help,
            is_shown=shown,
            expose_value=False,
            callback=_remember,
            is_eager=True,
            **extra,
        )

    directory = click.Path(file_okay=False, path_type=Path)
    return [
        option(
            "--home",
            type=directory,
            metavar="DIR",
            help="Configured networks, keys, profile. [PSET_HOME, else ~/.pset]",
        ),
        option(
            "--network",
            metavar="NAME|DIR",
            help="A configured name, or a directory (with a / in it). [PSET_NETWORK]",
        ),
        option(
            "--as",
            "acting",
            type=ORGANISATION,
            metavar="ORG",
            help="Act for this organisation, with its keys. [PSET_AS]",
        ),
        option(
            "-o",
            "--output",
            type=click.Choice(OUTPUT_FORMS),
            help="table for people, json for programs.",
        ),
        option("-q", "--quiet", is_flag=True, help="No progress, no hints."),
        option("-v", "--verbose", count=True, help="Say more; -vv also where an error arose."),
        option("--no-color", is_flag=True, help="No colour. [NO_COLOR]"),
        option(
            "--timeout", type=DURATION, metavar="DUR", help="Give up after: 30s 10m. Default 30s."
        ),
        option("--yes", is_flag=True, help="Agree to what would be asked."),
    ]


pass_context = click.make_pass_decorator(CliContext, ensure=True)
"""Gives a command the CliContext as its first argument."""
