# SPDX-License-Identifier: Apache-2.0
"""How a network stands, from what its validators say of themselves: as data, a table and a sentence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.output import table
from cli.wording import plural
from ledger.model.certificate import quorum_size
from ledger.model.codec import decode
from ledger.model.genesis import organisation_did
from ledger.model.limits import REQUEST_SIZE_MAX
from ledger.model.operations import OrganisationRequest

if TYPE_CHECKING:
    from ledger.model.genesis import Genesis
    from sdk.networks import Network


@dataclass(frozen=True, slots=True)
class ValidatorView:
    """One validator. Heights and roots are its own word."""

    id: str
    organisation: str
    """Short name in genesis, or the DID."""
    state: str
    """running, stopped or unreachable"""
    voting: bool
    voting_reason: str
    height: int | None
    behind: int | None
    state_root: str | None
    version: str | None
    problem: str
    """Why it does not answer."""


def view_of_statuses(
    network: Network, statuses: Mapping[str, Any], *, stopped: Collection[str] = ()
) -> Sequence[ValidatorView]:
    """The validators of a network.

    Args:
        network: with its genesis.
        statuses: by validator id, a node's status, or whatever says why there is none.
        stopped: validators known not to run.
    """
    names = organisation_names(network.genesis)
    answered = [item for item in statuses.values() if hasattr(item, "height")]
    highest = max((item.height for item in answered), default=0)
    common = min((item.height for item in answered), default=0)
    views: list[ValidatorView] = []
    for validator in network.genesis.validators:
        held = statuses.get(validator.id)
        organisation = names.get(validator.organisation, validator.organisation)
        if held is None or not hasattr(held, "height"):
            state = "stopped" if validator.id in stopped else "unreachable"
            views.append(
                ValidatorView(
                    validator.id,
                    organisation,
                    state,
                    voting=False,
                    voting_reason=state,
                    height=None,
                    behind=None,
                    state_root=None,
                    version=None,
                    problem=str(held or ""),
                )
            )
            continue
        root = held.state_root
        views.append(
            ValidatorView(
                validator.id,
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
            )
        )
    return views


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
    of = len(views)
    needed = quorum_size(of, fault_model)
    voting = sum(view.voting for view in views)
    if voting >= needed:
        spare = voting - needed
        outlook = "none may fail" if spare == 0 else f"{spare} more may fail before writes stop"
        text = f"{voting} of {plural(of, 'validator')} voting, {needed} needed: {outlook}"
    else:
        text = (
            f"{voting} of {plural(of, 'validator')} voting, {needed} needed: "
            f"no writes until {plural(needed - voting, 'more vote')}"
        )
    return {"needed": needed, "of": of, "voting": voting, "text": text}


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
            view.height,
            view.behind,
            "yes" if view.voting else f"no, {view.voting_reason or view.state}",
            view.version,
        )
        for view in views
    ]
    columns = ("validator", "organisation", "state", "height", "behind", "voting", "version")
    return [table(columns, rows), quorum(views, fault_model)["text"]]
