# SPDX-License-Identifier: Apache-2.0
"""The most grants that an organisation can ever have been made still fit one question."""

from __future__ import annotations

from dataclasses import replace

from ledger.model import schema
from ledger.model.codec import encode
from ledger.model.identifiers import CHARTER
from ledger.model.limits import GRANTS_LISTED_COUNT_MAX
from ledger.model.proofs import StateEntry
from ledger.model.records import GrantRecord, ListRecord, ReferenceRecord
from sdk.reader import KEYS_COUNT_MAX, MissingKeysError, StateView
from sdk.verification.ledger_facts import IssuerFacts, ask_issuer_facts
from tests.support.ledger_world import make_organisation

ISSUER = make_organisation("gaa").did
COUNCIL = make_organisation("qcto").did


def make_values(count: int) -> dict[bytes, bytes]:
    """Records of an organisation with grants that one council made under as many grants to it."""
    parent_key = schema.grants_by_grantee_key(ISSUER)
    values = {parent_key: encode(ListRecord(child_count=count))}
    for number in range(count):
        upper = GrantRecord(f"u{number}", CHARTER, COUNCIL, ("train",), valid_from=1, version=1)
        lower = replace(
            upper, grant_id=f"g{number}", grantor=COUNCIL, grantee=ISSUER, parent=upper.grant_id
        )
        reference = ReferenceRecord(reference=lower.grant_id)
        values[schema.child_key(parent_key, number)] = encode(reference)
        for grant in (upper, lower):
            values[schema.grant_key(grant.grant_id)] = encode(grant)
    return values


def ask(values: dict[bytes, bytes]) -> tuple[IssuerFacts, int]:
    """The answer about the issuer, and how many keys it rests on."""
    entries: dict[bytes, StateEntry] = {}
    while True:
        view = StateView(None, entries)
        try:
            return ask_issuer_facts(view, ISSUER), len(view.used_keys)
        except MissingKeysError as missing:
            entries.update((key, StateEntry(key, values.get(key, b""))) for key in missing.keys)


def test_an_issuers_whole_history_fits_one_question() -> None:
    facts, keys_count = ask(make_values(GRANTS_LISTED_COUNT_MAX))
    assert len(facts.chains) == GRANTS_LISTED_COUNT_MAX
    assert keys_count <= KEYS_COUNT_MAX
