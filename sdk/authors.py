# SPDX-License-Identifier: Apache-2.0
"""Who submits: the acting organisation's DID, and which of its keys a signer is.

`org` without a signer means its ledger key from the key store: a development network's keys/ORG
first, then HOME/keys/ORG, ORG being the vouched short name. A signer's key id is the one that the
DID record gives its public key, whatever the key file calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.model.identifiers import is_short_name
from ledger.model.keys import KeyRole
from ledger.model.records import DidRecord
from sdk.did_documents import is_key_valid, read_did_record
from sdk.errors import CallerError, KeyAccessError
from sdk.organisations import read_organisation, resolve_org
from sdk.reader import StateView, VerifiedReader
from sdk.results import Org
from sdk.signers import KeyStore, Signer, get_key_type
from sdk.submission import Author, NamedSigner


@dataclass(frozen=True, slots=True)
class _Acting:
    """What the ledger says about the acting organisation."""

    short_name: str
    record: DidRecord
    time_ms: int


class Authors:
    """Finds out, once, who the client acts for."""

    def __init__(
        self,
        reader: VerifiedReader,
        org: Org | None,
        signer: Signer | None,
        *,
        key_directories: Sequence[Path],
        passphrase: Callable[[], str] | None = None,
        is_strict: bool = True,
    ) -> None:
        """`key_directories` hold one directory for each organisation's short name; `is_strict`
        False leaves keys that are not the author's to the node's refusal.
        """
        self._is_strict = is_strict
        self._reader = reader
        self._org = org
        self._signer = signer
        self._key_directories = key_directories
        self._passphrase = passphrase
        self._author: Author | None = None

    @property
    def org(self) -> Org | None:
        return self._org

    def forget(self) -> None:
        """Ask again next time: a key was rotated, or the organisation was not there yet."""
        self._author = None

    async def did(self) -> str:
        """The DID of the acting organisation.

        Raises:
            CallerError: ORGANISATION_MISSING, and as `sdk.organisations.resolve_org`.
        """
        org = self._require_org()
        answer = await self._reader.ask(lambda view: resolve_org(view, org, self._reader.network))
        return answer.value

    async def author(self, signers: Sequence[Signer] | None = None) -> Author:
        """Who signs what is submitted: with the signers given, the client's, or the stored key.

        Raises:
            CallerError: ORGANISATION_MISSING, ORGANISATION_UNKNOWN, DID_UNKNOWN, KEY_NOT_IN_DID.
            KeyAccessError: KEY_ROLE_NOT_HELD, and as `KeyStore.load`.
        """
        if signers is None and self._author is not None:
            return self._author
        acting = await self._read_acting()
        chosen = (
            [self._signer or self._load_stored(acting, KeyRole.LEDGER, self._passphrase)]
            if signers is None
            else signers
        )
        author = Author(acting.record.did, tuple(self._name(s, acting.record) for s in chosen))
        if signers is None:
            self._author = author
        return author

    async def stored_signer(
        self, role: KeyRole, passphrase: Callable[[], str] | None = None
    ) -> NamedSigner:
        """The acting organisation's own key of a role, from the key store.

        Raises:
            CallerError: ORGANISATION_MISSING, ORGANISATION_UNKNOWN, DID_UNKNOWN.
            KeyAccessError: KEY_ROLE_NOT_HELD, and as `KeyStore.load`.
        """
        acting = await self._read_acting()
        return self._name(self._load_stored(acting, role, passphrase), acting.record)

    async def _read_acting(self) -> _Acting:
        org, network = self._require_org(), self._reader.network

        def question(view: StateView) -> _Acting:
            did = resolve_org(view, org, network)
            record = read_did_record(view, did, network)
            return _Acting(read_organisation(view, did, network).short_name, record, view.time_ms)

        return (await self._reader.ask(question)).value

    def _require_org(self) -> Org:
        if self._org is None:
            raise CallerError(
                "this call acts for an organisation, and none is named",
                code="ORGANISATION_MISSING",
                remedy="Connect with org=NAME (or --as NAME).",
            )
        return self._org

    def _load_stored(
        self, acting: _Acting, role: KeyRole, passphrase: Callable[[], str] | None
    ) -> Signer:
        valid = {
            (key.type, key.public_key)
            for key in acting.record.keys
            if key.role is role and is_key_valid(key, acting.time_ms)
        }
        assert is_short_name(acting.short_name), "vouched short names are safe as file names"
        for directory in self._key_directories:
            store = KeyStore(directory / acting.short_name)
            for key in store.list():
                if (key.key_type, key.public_key) in valid:
                    return store.load(key.name, passphrase)
        looked = " or ".join(str(held / acting.short_name) for held in self._key_directories)
        raise KeyAccessError(
            f"no valid {role.label} key of {acting.short_name} lies in {looked}",
            code="KEY_ROLE_NOT_HELD",
            remedy=f"Give the signer, or put the organisation's {role.label} key there.",
        )

    def _name(self, signer: Signer, record: DidRecord) -> NamedSigner:
        held = (get_key_type(signer), signer.public_key)
        matches = [key for key in record.keys if (key.type, key.public_key) == held]
        if matches:
            # A key may come back under another id; the last entry is the one that may be valid.
            return NamedSigner(matches[-1].key_id, signer)
        if not self._is_strict:
            return NamedSigner(signer.key_id, signer)
        raise CallerError(
            f"the signer's key {signer.key_id} is none of {record.did}",
            code="KEY_NOT_IN_DID",
            remedy="Check org= and signer=; see `pset did show` for the keys of the DID.",
        )
