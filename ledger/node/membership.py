# SPDX-License-Identifier: Apache-2.0
"""Who the validators are, by name for the ledger and by number for the ordering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from consensus.quorum import QuorumRule, byzantine, majority
from consensus.types import NO_NODE, ConfState
from ledger.model.block import Validator
from ledger.model.certificate import FaultModel
from ledger.model.codec import encode
from ledger.model.hashes import compute_validators_hash
from ledger.model.records import MemberRecord, ValidatorStatus
from ledger.model.schema import ACTIVE_SET, VALIDATOR
from ledger.node.validators import Validators
from ledger.state.validators import get_active_set, get_active_set_record, get_members
from ledger.storage.chain import ChainStore
from ledger.storage.state_store import StateAt

MEMBERS_PREFIXES: Final = (VALIDATOR + b"\x00", ACTIVE_SET + b"\x00")
"""State keys of members begin so."""


@dataclass(frozen=True, slots=True)
class Member:
    """One validator as the ordering knows it."""

    validator: Validator
    number: int
    """Given once, never again."""
    status: ValidatorStatus
    peer_address: str = ""
    """host:port; empty where only the configuration says it."""
    removed_height: int = 0


@dataclass(frozen=True, slots=True)
class Membership:
    """Everybody ever admitted, as of one certified block. Genesis numbers its own by their ids."""

    members: tuple[Member, ...]
    """Ascending by number."""
    changed_height: int = 0
    """The block that changed the set of voters last; 0: none since genesis."""
    height: int = 0
    """Of the newest block that changed anything here."""
    _by_id: dict[str, Member] = field(init=False, compare=False, repr=False)
    _by_number: dict[int, Member] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {m.validator.id: m for m in self.members})
        object.__setattr__(self, "_by_number", {m.number: m for m in self.members})

    @classmethod
    def of_genesis(cls, validators: Sequence[Validator]) -> Membership:
        """All validators of a genesis document."""
        ordered = sorted(validators, key=lambda validator: validator.id)
        return cls(
            tuple(
                Member(validator, number, ValidatorStatus.ACTIVE)
                for number, validator in enumerate(ordered, 1)
            )
        )

    @classmethod
    def of_records(cls, records: Sequence[MemberRecord], changed_height: int) -> Membership:
        """As the state says it."""
        members: list[Member] = []
        for record in sorted(records, key=lambda record: record.number):
            assert record.validator is not None, "nobody is a member without a validator"
            members.append(
                Member(
                    record.validator,
                    record.number,
                    record.status,
                    record.peer_address,
                    record.removed_height,
                )
            )
        heights = (
            height
            for record in records
            for height in (record.admitted_height, record.activated_height, record.removed_height)
        )
        return cls(tuple(members), changed_height, max(heights, default=0))

    def find(self, validator_id: str) -> Member | None:
        """Somebody who is or was a validator or learner."""
        return self._by_id.get(validator_id)

    def find_by_number(self, number: int) -> Member | None:
        """The same, by number."""
        return self._by_number.get(number)

    def get_number(self, validator_id: str) -> int:
        """A validator's number; that of nobody where it is not admitted."""
        member = self._by_id.get(validator_id)
        return NO_NODE if member is None else member.number

    def find_id(self, number: int) -> str:
        """The validator with a number, or an empty string."""
        member = self._by_number.get(number)
        return "" if member is None else member.validator.id

    def others(self, validator_id: str) -> tuple[str, ...]:
        """Ids of validators and learners but one's own."""
        return tuple(
            m.validator.id
            for m in self.members
            if m.status is not ValidatorStatus.REMOVED and m.validator.id != validator_id
        )

    def numbers(self, status: ValidatorStatus) -> frozenset[int]:
        """Of those with a status."""
        return frozenset(m.number for m in self.members if m.status is status)

    def conf_state(self) -> ConfState:
        """How the ordering of a new network begins: all are voters."""
        return ConfState(voters=tuple(sorted(self.numbers(ValidatorStatus.ACTIVE))))


def read_membership(chain: ChainStore, state_version: int) -> Membership:
    """Who is a member after a block; `state_version` is its. Raises ValueError."""
    state = StateAt(chain.state, state_version)
    changed = get_active_set_record(state).last_changed_height
    return Membership.of_records(get_members(state), changed)


def read_validators(chain: ChainStore, state_version: int) -> Validators:
    """Who certifies the second height after a block; `state_version` is its. Raises ValueError."""
    active = get_active_set(StateAt(chain.state, state_version))
    return Validators(active, compute_validators_hash(encode(active)))


def get_quorum_rule(fault_model: FaultModel) -> QuorumRule:
    """The ordering counts as certificates do."""
    return majority if fault_model is FaultModel.CRASH else byzantine
