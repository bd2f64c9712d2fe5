# SPDX-License-Identifier: Apache-2.0
"""For those who accredit others: SAQA, quality councils, SETAs. Names in, operations out, submitted.

`prepare_*` looks up what an operation needs (DIDs, versions, the usual term) and returns it unsent;
the methods without it submit and return what was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ledger.model.accreditation import term_last_day
from ledger.model.charter_document import Charter
from ledger.model.identifiers import is_qualification, qualification_name
from sdk import aio_client, client
from sdk.accreditations import make_accreditation, read_grant, read_grants
from sdk.arguments import (
    check_client,
    check_day,
    check_mapping,
    check_term,
    check_text,
    check_texts,
)
from sdk.errors import CallerError
from sdk.moments import day_asked, day_number, to_date
from sdk.operations import (
    EndorseOrganisation,
    GrantAccreditation,
    Operation,
    ReinstateAccreditation,
    SuspendAccreditation,
    WithdrawAccreditation,
)
from sdk.organisation_requests import OrganisationRequestFile, read_request
from sdk.organisations import read_organisation, resolve_org
from sdk.reader import StateView
from sdk.results import Accreditation, Org, Receipt

RequestSource = Path | Mapping[str, Any] | OrganisationRequestFile


class AsyncAccreditor:
    """Endorses organisations and grants, suspends, reinstates and withdraws accreditations."""

    def __init__(self, client: aio_client.LedgerClient) -> None:
        """`client` acts for the accrediting organisation: connected with `org`."""
        check_client(client, "submit", "ask")
        self._client = client

    async def endorse(
        self,
        request: RequestSource,
        *,
        name: str | None = None,
        short_name: str | None = None,
        codes: Mapping[str, str] | None = None,
    ) -> Receipt:
        """Vouch for an organisation; its DID comes into being.

        Args:
            request: the organisation's own signed request.
            name: the legal name as you know it; None: as requested.
            short_name: likewise.
            codes: value by system, such as {"qcto": "SDP-0142"}.

        Raises:
            CallerError: ENDORSEMENT_DIFFERS: the request says something else; REQUEST_MALFORMED and
                the others of `read_request`.
            RefusedError, UnavailableError: as `LedgerClient.submit`.
        """
        if not isinstance(request, OrganisationRequestFile | Path):
            check_mapping(request, "request")
        for value, label in ((name, "name"), (short_name, "short_name")):
            if value is not None:
                check_text(value, label)
        if codes is not None:
            check_mapping(codes, "codes")
            check_texts([*codes, *codes.values()], "codes")
        return await self._client.submit(
            prepare_endorsement(request, name=name, short_name=short_name, codes=codes)
        )

    async def grant(
        self,
        org: Org,
        *,
        powers: Sequence[str],
        qualifications: Sequence[str] = (),
        sites: Sequence[str] = (),
        valid: tuple[date, date | None],
        sub_frameworks: Sequence[str] = (),
        designations: Sequence[str] = (),
        trades: Sequence[str] = (),
    ) -> Accreditation:
        """Grant powers to an organisation.

        Args:
            org: who receives them.
            powers: of the charter, such as `train`.
            qualifications: SAQA ids (91761 or za:saqa:q:91761); none: not restricted to any.
            sites: codes of the grantee's sites.
            valid: first and last day; None: five years less a day where the rules allow no more,
                otherwise open.
            sub_frameworks: such as OQSF, where the scope is one.
            designations: of a professional body.
            trades: occupations, such as za:ofo:2021:671101.

        Raises:
            CallerError: ORGANISATION_UNKNOWN, QUALIFICATION_MALFORMED.
            RefusedError: SELF_GRANT, NO_POWER, SCOPE_NOT_COVERED, …
            UnavailableError: as `LedgerClient.submit`.
        """
        operation = await self.prepare_grant(
            org,
            powers=powers,
            qualifications=qualifications,
            sites=sites,
            valid=valid,
            sub_frameworks=sub_frameworks,
            designations=designations,
            trades=trades,
        )
        receipt = await self._client.submit(operation)
        grant_id = str(receipt.result["grant_id"])
        day = day_asked(None, None, self._client.now_ms)
        proven = await self._client.ask(
            lambda view: make_accreditation(read_grant(view, grant_id), day)
        )
        return proven.value

    async def suspend(self, grant_id: str, *, reason: str, effective: date) -> Receipt:
        """Take the powers away for a while, from a day on.

        Raises:
            CallerError: GRANT_UNKNOWN, REASON_UNKNOWN.
            RefusedError, UnavailableError: as `LedgerClient.submit`.
        """
        return await self._client.submit(
            await self.prepare_suspension(grant_id, reason=reason, effective=effective)
        )

    async def reinstate(self, grant_id: str, *, reason: str, effective: date) -> Receipt:
        """End a suspension, from a day on. Raises: as `suspend`."""
        return await self._client.submit(
            await self.prepare_reinstatement(grant_id, reason=reason, effective=effective)
        )

    async def withdraw(
        self, grant_id: str, *, reason: str, effective: date, ab_initio: bool = False
    ) -> Receipt:
        """Take the powers away for good, from a day on; what was issued before stays good.

        With `ab_initio` the grant is void from its beginning once the grantor's own grantor has
        made the same call, same reason and date, within 30 days. Raises: as `suspend`.
        """
        return await self._client.submit(
            await self.prepare_withdrawal(
                grant_id, reason=reason, effective=effective, ab_initio=ab_initio
            )
        )

    # ---- operations, unsent

    async def prepare_grant(
        self,
        org: Org,
        *,
        powers: Sequence[str],
        qualifications: Sequence[str] = (),
        sites: Sequence[str] = (),
        valid: tuple[date, date | None],
        sub_frameworks: Sequence[str] = (),
        designations: Sequence[str] = (),
        trades: Sequence[str] = (),
    ) -> GrantAccreditation:
        """The operation of `grant`."""
        check_text(org, "org")
        for held, name in (
            (powers, "powers"),
            (qualifications, "qualifications"),
            (sites, "sites"),
            (sub_frameworks, "sub_frameworks"),
            (designations, "designations"),
            (trades, "trades"),
        ):
            check_texts(held, name)
        check_term(valid, "valid")
        network, charter = self._client.reader.network, self._client.network.genesis.charter
        names = [parse_qualification(text) for text in qualifications]
        kinds = {
            "qualifications": names,
            "sites": sites,
            "sub_frameworks": sub_frameworks,
            "designations": designations,
            "trades": trades,
        }
        named = {kind for kind, held in kinds.items() if held}
        first, last = valid
        acting = await self._client.acting_did()

        def question(view: StateView) -> tuple[str, int | None]:
            grantee = resolve_org(view, org, network)
            if last is not None:
                return grantee, None
            grantee_type = read_organisation(view, grantee, network).type
            held = {power for grant in read_grants(view, acting) for power in grant.powers}
            return grantee, longest_term(charter, powers, held, grantee_type, named)

        grantee, years = (await self._client.ask(question)).value
        until = last
        if years is not None:
            until = to_date(term_last_day(day_number(first), years))
        return GrantAccreditation(
            grantee=grantee,
            powers=powers,
            valid_from=first,
            valid_until=until,
            sub_frameworks=sub_frameworks,
            qualifications=names,
            sites=sites,
            designations=designations,
            trades=trades,
        )

    async def prepare_suspension(
        self, grant_id: str, *, reason: str, effective: date
    ) -> SuspendAccreditation:
        """The operation of `suspend`."""
        _check_event(grant_id, reason, effective)
        version = await self._version(grant_id)
        return SuspendAccreditation(grant_id, version, effective, reason)

    async def prepare_reinstatement(
        self, grant_id: str, *, reason: str, effective: date
    ) -> ReinstateAccreditation:
        """The operation of `reinstate`."""
        _check_event(grant_id, reason, effective)
        version = await self._version(grant_id)
        return ReinstateAccreditation(grant_id, version, effective, reason)

    async def prepare_withdrawal(
        self, grant_id: str, *, reason: str, effective: date, ab_initio: bool = False
    ) -> WithdrawAccreditation:
        """The operation of `withdraw`."""
        _check_event(grant_id, reason, effective)
        version = await self._version(grant_id)
        return WithdrawAccreditation(grant_id, version, effective, reason, ab_initio)

    async def _version(self, grant_id: str) -> int:
        proven = await self._client.ask(lambda view: read_grant(view, grant_id).version)
        return proven.value


def _check_event(grant_id: object, reason: object, effective: object) -> None:
    check_text(grant_id, "grant_id")
    check_text(reason, "reason")
    check_day(effective, "effective")


class Accreditor:
    """`AsyncAccreditor` with synchronous methods."""

    def __init__(self, client: client.LedgerClient) -> None:
        """`client` acts for the accrediting organisation: connected with `org`."""
        check_client(client, "aio", "run")
        self._client = client
        self._accreditor = AsyncAccreditor(client.aio)

    def endorse(
        self,
        request: RequestSource,
        *,
        name: str | None = None,
        short_name: str | None = None,
        codes: Mapping[str, str] | None = None,
    ) -> Receipt:
        """Vouch for an organisation; its DID comes into being."""
        return self._client.run(
            self._accreditor.endorse(request, name=name, short_name=short_name, codes=codes)
        )

    def grant(
        self,
        org: Org,
        *,
        powers: Sequence[str],
        qualifications: Sequence[str] = (),
        sites: Sequence[str] = (),
        valid: tuple[date, date | None],
        sub_frameworks: Sequence[str] = (),
        designations: Sequence[str] = (),
        trades: Sequence[str] = (),
    ) -> Accreditation:
        """Grant powers to an organisation."""
        return self._client.run(
            self._accreditor.grant(
                org,
                powers=powers,
                qualifications=qualifications,
                sites=sites,
                valid=valid,
                sub_frameworks=sub_frameworks,
                designations=designations,
                trades=trades,
            )
        )

    def suspend(self, grant_id: str, *, reason: str, effective: date) -> Receipt:
        """Take the powers away for a while, from a day on."""
        return self._client.run(
            self._accreditor.suspend(grant_id, reason=reason, effective=effective)
        )

    def reinstate(self, grant_id: str, *, reason: str, effective: date) -> Receipt:
        """End a suspension, from a day on."""
        return self._client.run(
            self._accreditor.reinstate(grant_id, reason=reason, effective=effective)
        )

    def withdraw(
        self, grant_id: str, *, reason: str, effective: date, ab_initio: bool = False
    ) -> Receipt:
        """Take the powers away for good, from a day on."""
        return self._client.run(
            self._accreditor.withdraw(
                grant_id, reason=reason, effective=effective, ab_initio=ab_initio
            )
        )

    @property
    def aio(self) -> AsyncAccreditor:
        """The asynchronous accreditor; its `prepare_*` go to `client.run`."""
        return self._accreditor


def prepare_endorsement(
    request: RequestSource,
    *,
    name: str | None = None,
    short_name: str | None = None,
    codes: Mapping[str, str] | None = None,
) -> Operation:
    """The operation of `endorse`.

    Raises:
        CallerError: ENDORSEMENT_DIFFERS, and those of `read_request`.
    """
    held = read_request(request)
    content = held.content
    for what, given, requested in (
        ("name", name, content.name),
        ("short name", short_name, content.short_name),
    ):
        if given is not None and given != requested:
            raise CallerError(
                f"the request asks for another {what} than the one you vouch for",
                code="ENDORSEMENT_DIFFERS",
                remedy="Ask the organisation for a new request, or leave the option out.",
            )
    return EndorseOrganisation(held, dict(codes or {}))


def parse_qualification(text: str) -> str:
    """`za:saqa:q:91761` for that or for 91761.

    Raises:
        CallerError: QUALIFICATION_MALFORMED.
    """
    name = qualification_name(int(text)) if text.isascii() and text.isdigit() else text
    if not is_qualification(name):
        raise CallerError(
            f"{text!r} is no qualification",
            code="QUALIFICATION_MALFORMED",
            remedy="Give the SAQA id, such as 91761 or za:saqa:q:91761.",
        )
    return name


def longest_term(
    charter: Charter,
    powers: Sequence[str],
    held: set[str],
    grantee_type: str,
    named: set[str],
) -> int | None:
    """Calendar years that the charter allows such a grant at most; None: no limit, or no such grant.

    Args:
        charter: with the table of powers.
        powers: to be granted.
        held: powers of the grantor.
        grantee_type: type of the grantee.
        named: dimensions that the scope restricts.
    """
    limits: list[int] = []
    for power in powers:
        terms = [
            row.term_years_max
            for row in charter.power_rows
            if row.held in held
            and power in (held & set(row.powers) if row.delegates else row.powers)
            and grantee_type in row.grantee_types
            and named <= set(row.scope_kinds)
            and (not row.scope_needed or named & set(row.scope_needed))
        ]
        bounded = [term for term in terms if term is not None]
        if terms and len(bounded) == len(terms):
            limits.append(max(bounded))
    return min(limits, default=None)
