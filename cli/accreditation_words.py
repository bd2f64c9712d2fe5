# SPDX-License-Identifier: Apache-2.0
"""Grants and chains of authority in words and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from cli.output import details, table
from cli.verification_words import chain_lines
from cli.wording import listed, shorten, show_day, show_instant
from sdk.verdicts import QUALIFICATION_NOT_REGISTERED

if TYPE_CHECKING:
    from cli.accreditation_questions import Judgement, NamedGrant
    from sdk.results import AccreditationEvent, AccreditationHistory

_EVENT_WORDS: Final = {
    "suspended": "suspended",
    "reinstated": "reinstated",
    "withdrawn": "withdrawn",
    "ab-initio-opened": "withdrawal from the beginning opened",
    "ab-initio-confirmed": "withdrawn from the beginning",
}
QUALIFICATION_PREFIX: Final = "za:saqa:q:"


def word_scope(scope: Mapping[str, Sequence[str]]) -> str:
    """`91761 at sites 1, 2`, `OQSF`, `everything`."""
    parts: list[str] = []
    if scope.get("sub_frameworks"):
        parts.append(", ".join(scope["sub_frameworks"]))
    if scope.get("qualifications"):
        numbers = (name.removeprefix(QUALIFICATION_PREFIX) for name in scope["qualifications"])
        parts.append(", ".join(numbers))
    parts += [
        f"{kind} {', '.join(scope[kind])}" for kind in ("trades", "designations") if scope.get(kind)
    ]
    text = "; ".join(parts) or "everything"
    sites = scope.get("sites") or ()
    if sites:
        text += f" at {'site' if len(sites) == 1 else 'sites'} {', '.join(sites)}"
    return text


def word_term(first: date, last: date | None) -> str:
    """`1 February 2024 – 31 January 2029`, `since 1 February 2024`."""
    if last is None:
        return f"since {show_day(first)}"
    return f"{show_day(first)} – {show_day(last)}"


def grant_data(named: NamedGrant) -> dict[str, Any]:
    """The members of a grant in JSON: its own, and the short names of both organisations."""
    return {
        **named.accreditation.to_dict(),
        "grantor_name": named.grantor,
        "grantee_name": named.grantee,
    }


def grants_table(grants: Sequence[NamedGrant]) -> Any:
    """Grants for people, one a line."""
    rows = [
        (
            named.accreditation.id,
            named.grantor,
            named.grantee,
            ", ".join(sorted(named.accreditation.powers)),
            word_scope(named.accreditation.scope),
            word_term(named.accreditation.valid_from, named.accreditation.valid_until),
            named.accreditation.status,
        )
        for named in grants
    ]
    return table(("grant", "by", "to", "powers", "scope", "term", "status"), rows)


def grant_details(named: NamedGrant, history: AccreditationHistory) -> Any:
    """One grant for people."""
    grant = named.accreditation
    pending = history.pending_until
    return details(
        [
            ("grant", grant.id),
            ("by", _with_did(named.grantor, grant.grantor)),
            ("to", _with_did(named.grantee, grant.grantee)),
            ("powers", ", ".join(sorted(grant.powers))),
            ("scope", word_scope(grant.scope)),
            ("term", word_term(grant.valid_from, grant.valid_until)),
            ("status", grant.status),
            (
                "pending",
                None
                if pending is None
                else f"a withdrawal from the beginning, to be confirmed by {show_instant(pending)}",
            ),
            ("rests on", grant.parent or "the charter"),
            ("recorded", show_instant(history.recorded_at)),
        ]
    )


def _with_did(name: str, did: str) -> str:
    return name if name == did else f"{name} ({did})"


def events_table(events: Sequence[AccreditationEvent], names: Mapping[str, str]) -> Any:
    """What happened to a grant."""
    rows = [
        (
            show_instant(event.recorded_at),
            _EVENT_WORDS.get(event.kind, event.kind),
            show_day(event.effective),
            event.reason,
            names.get(event.by, shorten(event.by)),
        )
        for event in events
    ]
    return table(("recorded", "what", "first day", "reason", "by"), rows)


def judgement_words(judgement: Judgement) -> list[Any]:
    """`YES …` or `NO …`, the chain, and until when."""
    from rich.text import Text

    decision = judgement.authority.decision
    if decision.allowed:
        word, style = "YES", "bold green"
    else:
        word, style = "NO", "bold red"
    first = Text.assemble((f"{word:<5}", style), decision.text)
    parts: list[Any] = [first]
    if not decision.allowed:
        reason = f"{decision.code}: {judgement.authority.finding.text}"
        if not judgement.is_registered:
            reason = f"{QUALIFICATION_NOT_REGISTERED}: the ledger knows no such qualification"
        parts.append(f"     {reason}")
    if decision.allowed:
        until = "no end is set" if decision.until is None else show_day(decision.until)
        parts.append(f"     until: {until}")
    if judgement.authority.chain:
        parts += ["", *chain_lines(judgement.authority.chain)]
    return parts


def judgement_data(judgement: Judgement) -> dict[str, Any]:
    """The members of the answer in JSON."""
    decision = judgement.authority.decision
    return {
        "allowed": decision.allowed,
        "code": decision.code if judgement.is_registered else QUALIFICATION_NOT_REGISTERED,
        "text": decision.text,
        "organisation": judgement.did,
        "grant_id": decision.grant_id,
        "chain": [link.to_dict() for link in judgement.authority.chain],
        "until": decision.until,
        "qualification_registered": judgement.is_registered,
    }


def word_granted(org: str, powers: Sequence[str], scope: str, term: str) -> str:
    """What has been granted, in one line."""
    return f"{org} may {listed(sorted(powers))}: {scope}, {term}"
