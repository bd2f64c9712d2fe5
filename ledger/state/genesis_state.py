# SPDX-License-Identifier: Apache-2.0
"""The state at height 0, which everybody derives from the genesis document."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.model.codec import decode
from ledger.model.genesis import Genesis
from ledger.model.hashes import compute_did, compute_grant_id
from ledger.model.identifiers import CHARTER
from ledger.model.limits import REQUEST_SIZE_MAX
from ledger.model.operations import OrganisationRequest
from ledger.model.records import GrantRecord
from ledger.state.grants import record_grant
from ledger.state.organisations import create_organisation
from ledger.state.overlay import BlockState, TransactionState
from ledger.state.parameters import encode_parameters
from ledger.state.validators import create_validators


class _EmptyState:
    """What is below genesis: nothing."""

    def get(self, key: bytes) -> None:
        del key

    def expiring(self, until_ms: int, count_max: int) -> Sequence[tuple[int, bytes]]:
        del until_ms, count_max
        return ()


def root_grant_id(genesis_hash: bytes, number: int) -> str:
    """Id of the root grant at a position of the genesis document."""
    return compute_grant_id(genesis_hash + number.to_bytes(4, "big"))


def compute_genesis_writes(genesis: Genesis) -> tuple[tuple[bytes, bytes], ...]:
    """Every key and value of the state at height 0, sorted by key.

    Args:
        genesis: as `decode_genesis` accepted it.
    """
    block = BlockState(_EmptyState())
    state = TransactionState(block)
    for key, value in encode_parameters(genesis):
        state.put(key, value)
    create_validators(state, genesis.validators)
    for organisation in genesis.organisations:
        create_organisation(
            state,
            compute_did(genesis.network, organisation.request),
            decode(OrganisationRequest, organisation.request, size_max=REQUEST_SIZE_MAX),
            organisation.codes,
            vouched_by=CHARTER,
            time=genesis.created,
        )
    for number, grant in enumerate(genesis.root_grants):
        record_grant(
            state,
            GrantRecord(
                grant_id=root_grant_id(genesis.genesis_hash, number),
                grantor=CHARTER,
                grantee=grant.grantee,
                powers=grant.powers,
                scope=grant.scope,
                valid_from=grant.valid_from,
                valid_until=grant.valid_until,
                version=1,
                recorded_at=genesis.created,
            ),
        )
    state.apply()
    return tuple((key, value) for key, value in block.collect() if value is not None)
