# SPDX-License-Identifier: Apache-2.0
"""The ordering's members follow the chain: which change comes next, and which is no honest leader's.

Rules of this file (architecture, section 6; a set that counts from g + 2 on was changed by block g):
- Learners are added and removed one by one; the set of voters changes through a joint configuration,
  entered when g is certified and left when g + 2 is: until then everybody whose vote may be needed
  receives the log.
- A change names the height whose state asks for it, and says no more than that state does. The
  entries carry no signature: a follower takes one only if its own certified state says the same.
"""

from __future__ import annotations

from consensus.conf_change import (
    ConfChange,
    ConfChangeError,
    ConfChangeKind,
    ConfChangeSingle,
    Transition,
    decode_conf_change,
)
from consensus.types import ConfState, Entry
from ledger.model.records import ValidatorStatus
from ledger.node.membership import Membership
from ledger.state.validators import CHANGE_DELAY

HEIGHT_SIZE = 8
"""Bytes of the height that a change names, big-endian, as its context."""


def compute_conf_change(
    membership: Membership, conf_state: ConfState, height: int
) -> ConfChange | None:
    """What the state after the certified block `height` asks of the ordering next, if anything."""
    context = height.to_bytes(HEIGHT_SIZE, "big")
    active = membership.numbers(ValidatorStatus.ACTIVE)
    learners = membership.numbers(ValidatorStatus.LEARNER)
    voters = frozenset(conf_state.voters)
    if conf_state.voters_outgoing:
        if height < membership.changed_height + CHANGE_DELAY:
            return None
        return ConfChange(context=context)
    if voters != active:
        changes = [
            *(ConfChangeSingle(ConfChangeKind.ADD_VOTER, n) for n in sorted(active - voters)),
            *(ConfChangeSingle(ConfChangeKind.REMOVE, n) for n in sorted(voters - active)),
        ]
        return ConfChange(tuple(changes), Transition.JOINT_EXPLICIT, context)
    held = frozenset(conf_state.learners)
    for number in sorted(learners - held):
        change = ConfChangeSingle(ConfChangeKind.ADD_LEARNER, number)
        return ConfChange((change,), context=context)
    for number in sorted(held - learners):
        change = ConfChangeSingle(ConfChangeKind.REMOVE, number)
        return ConfChange((change,), context=context)
    return None


def read_change_height(entry: Entry) -> int | None:
    """The height that a change of members names; None for an entry that is no such change."""
    try:
        context = decode_conf_change(entry).context
    except ConfChangeError:
        return None
    return int.from_bytes(context, "big") if len(context) == HEIGHT_SIZE else None


def find_change_fault(entry: Entry, membership: Membership, height: int) -> str:
    """Why the state after certified block `height` does not say what a change of members says, or an
    empty string.
    """
    try:
        change = decode_conf_change(entry)
    except ConfChangeError as error:
        return str(error)
    if change.is_leave_joint():
        if height < membership.changed_height + CHANGE_DELAY:
            return "the old validators still certify"
        return ""
    wanted = {
        ConfChangeKind.ADD_VOTER: ValidatorStatus.ACTIVE,
        ConfChangeKind.ADD_LEARNER: ValidatorStatus.LEARNER,
        ConfChangeKind.REMOVE: ValidatorStatus.REMOVED,
    }
    for single in change.changes:
        member = membership.find_by_number(single.node_id)
        if member is None or wanted.get(single.kind) is not member.status:
            return f"{single.kind.name} {single.node_id} is not what the state says"
    is_of_voters = any(single.kind is not ConfChangeKind.ADD_LEARNER for single in change.changes)
    if is_of_voters and change.transition is Transition.JOINT_IMPLICIT:
        return "the joint configuration would be left too early"
    return ""
