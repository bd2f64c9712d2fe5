# SPDX-License-Identifier: Apache-2.0
"""How a network stands, from what its validators say of themselves: as data, a table and a sentence."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from cli.network_quorum import Quorum
from cli.output import table
from ledger.model.codec import decode
from ledger.model.genesis import organisation_did
from ledger.model.limits import REQUEST_SIZE_MAX
from ledger.model.operations import OrganisationRequest

if TYPE_CHECKING:
    from ledger.model.genesis import Genesis
    from sdk.networks import Network


LEARNER: Final = "learner"
"""Role of who is admitted and not activated: no part of the quorum."""
REMOVED: Final = "removed"
"""State of who was a validator."""
_NUMBERED: Final = re.compile(r"(.*?)([0-9]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ValidatorView:
    """One validator. Heights and roots are its own word."""

    id: str
    organisation: str
    """Short name in genesis, or the DID."""
    state: str
    """running, stopped, unreachable or removed"""
    voting: bool
    voting_reason: str
    height: int | None
    behind: int | None
    state_root: str | None
    version: str | None
    problem: str
    """Why it does not answer."""
    role: str | None = None
    """leader, or what else it says that it is; learner, also of one that is known to be that"""


def view_of_statuses(
    network: Network,
    statuses: Mapping[str, Any],
    *,
    stopped: Collection[str] = (),
    members: Mapping[str, str] | None = None,
    learners: Collection[str] = (),
    removed: Mapping[str, int] = MappingProxyType({}),
) -> Sequence[ValidatorView]:
    """The validators of a network; those that were removed are last.

    Args:
        network: with its genesis.
        statuses: by validator id, a node's status, or whatever says why there is none.
        stopped: validators known not to run.
        members: DIDs of who runs them, by id, where current validators and learners are known;
            None: those of genesis, and whom network.json names beside them.
        learners: those known not to be activated.
        removed: heights of their removals by id.
    """
    if members is None:
        members = {endpoint.validator: "" for endpoint in network.endpoints}
        members |= {held.id: held.organisation for held in network.genesis.validators}
    names = organisation_names(network.genesis)
    answered = [item for item in statuses.values() if hasattr(item, "height")]
    highest = max((item.height for item in answered), default=0)
    common = min((item.height for item in answered), default=0)
    views: list[ValidatorView] = []
    for validator in sorted(members, key=order_of):
        held = statuses.get(validator)
        did = members[validator] or str(getattr(held, "organisation", ""))
        organisation = names.get(did, did)
        if held is None or not hasattr(held, "height"):
            state = "stopped" if validator in stopped else "unreachable"
            views.append(
                ValidatorView(
                    validator,
                    organisation,
                    state,
                    voting=False,
                    voting_reason=state,
                    height=None,
                    behind=None,
                    state_root=None,
                    version=None,
                    problem=str(held or ""),
                    role=LEARNER if validator in learners else None,
                )
            )
            continue
        root = held.state_root
        views.append(
            ValidatorView(
                validator,
                organisation,
                "running",
                voting=held.voting,
                voting_reason=held.voting_reason,
                height=held.height,
                behind=highest - held.height,
                # Roots can only be compared at one height.
                state_root=_hex(root) if held.height == common else None,
                version=held.software_version,
                problem="",
                role="leader" if held.leader == validator else held.role,
            )
        )
    return [*views, *_views_of_removed(network, removed, names)]


def _views_of_removed(
    network: Network, removed: Mapping[str, int], names: Mapping[str, str]
) -> Sequence[ValidatorView]:
    dids = {held.id: held.organisation for held in network.genesis.validators}
    return [
        ValidatorView(
            validator,
            names.get(dids.get(validator, ""), dids.get(validator, "")),
            REMOVED,
            voting=False,
            voting_reason=f"removed by block {removed[validator]}",
            height=None,
            behind=None,
            state_root=None,
            version=None,
            problem="",
        )
        for validator in sorted(removed, key=order_of)
    ]


def order_of(validator_id: str) -> tuple[str, int, str]:
    """Sorts as people count: n2 before n10."""
    match = _NUMBERED.fullmatch(validator_id)
    return (match[1], int(match[2]), validator_id) if match else (validator_id, 0, validator_id)


def _hex(root: Any) -> str:
    return root.hex() if isinstance(root, bytes) else str(root)


def organisation_names(genesis: Genesis) -> dict[str, str]:
    """Short names of the organisations in genesis, by DID."""
    names: dict[str, str] = {}
    for organisation in genesis.organisations:
        request = decode(OrganisationRequest, organisation.request, size_max=REQUEST_SIZE_MAX)
        names[organisation_did(genesis, organisation)] = request.short_name
    return names


def quorum(views: Sequence[ValidatorView], fault_model: str) -> dict[str, Any]:
    """Members ``needed of voting text`` of the quorum."""
    members = [view for view in views if view.state != REMOVED and view.role != LEARNER]
    held = Quorum(len(members), fault_model)
    voting = sum(view.voting for view in members)
    return {
        "needed": held.needed,
        "of": held.of,
        "voting": voting,
        "text": held.status_text(voting),
    }


def network_data(views: Sequence[ValidatorView], fault_model: str) -> dict[str, Any]:
    """What JSON shows."""
    return {
        "validators": [
            {
                "id": view.id,
                "organisation": view.organisation,
                "state": view.state,
                "voting": view.voting,
                "voting_reason": view.voting_reason,
                "height": view.height,
                "behind": view.behind,
                "state_root": view.state_root,
                "version": view.version,
                "role": view.role,
            }
            for view in views
        ],
        "quorum": quorum(views, fault_model),
    }


def network_text(views: Sequence[ValidatorView], fault_model: str) -> list[Any]:
    """What people see."""
    rows = [
        (
            view.id,
            view.organisation,
            view.state,
            view.role,
            view.height,
            view.behind,
            "yes" if view.voting else f"no, {view.voting_reason or view.state}",
            view.version,
        )
        for view in views
    ]
    columns = (
        "validator",
        "organisation",
        "state",
        "role",
        "height",
        "behind",
        "voting",
        "version",
    )
    return [table(columns, rows), quorum(views, fault_model)["text"]]
