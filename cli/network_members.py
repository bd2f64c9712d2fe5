# SPDX-License-Identifier: Apache-2.0
"""`pset network add-node|remove-node`: validators of a development network that come and go.

Through the ledger's own transactions, as on any network: the authority admits a learner, which
catches up, proves with its vote key that it has a recent block and is activated; two blocks later it
certifies. The directory is noted after each step (`ledger.node.dev_membership`), and each step is
skipped when the ledger says that it was done: a command that was interrupted is repeated and goes on.
May import node packages, late.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.command import PsetCommand
from cli.context import CliContext, pass_context
from cli.errors import CommandError
from cli.network_faults import LEADER, choose_nodes
from cli.network_place import development_directory, dir_option
from cli.network_quorum import Quorum
from cli.network_waiting import POLL_SECONDS, wait_for, wait_for_height, wait_until_ended
from cli.output import details, table
from ledger.model.genesis import organisation_did
from sdk.errors import RefusedError

if TYPE_CHECKING:
    from ledger.model.records import MemberRecord
    from ledger.node.dev_membership import Members
    from sdk.client import LedgerClient
    from sdk.operations import ActivateValidator
    from sdk.results import Organisation, Receipt

AUTHORITY: Final = "saqa"
"""Whose admin key changes the validators of a development network."""
CHANGE_DELAY: Final = 2
"""Blocks from a change to the first that the new set certifies (docs/protocol.md, section 9)."""
LINKS_SECONDS_MAX: Final = 10.0
"""How long a newcomer's links may take to stand before "it does not answer" is believed."""
_QUORUM: Final = "WOULD_LOSE_QUORUM"


@dataclass(slots=True)
class _Steps:
    """What has been done, as a table that grows."""

    context: CliContext
    rows: list[tuple[str, int | None, str]] = field(
        default_factory=list[tuple[str, int | None, str]]
    )

    def add(self, name: str, height: int | None, text: str) -> None:
        """One more; told at once."""
        self.rows.append((name, height, text))
        place = "" if height is None else f"block {height}"
        self.context.output.progress(f"  {name:<11} {place:<10} {text}".rstrip())

    def height(self, name: str) -> int | None:
        """Of a step."""
        return next((height for held, height, _ in self.rows if held == name), None)


@click.command(
    "add-node",
    cls=PsetCommand,
    examples="""
        $ pset network add-node                       # n4 after n1, n2, n3
        $ pset network add-node n5 --replaces n1      # in one change
        $ pset network add-node college --org che
    """,
)
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--org", metavar="ORG", help="Who runs it. Default: of NODE, else in turn.")
@click.option("--replaces", metavar="NODE", help="A validator that leaves in the same change.")
@dir_option
@pass_context
def add_node(
    context: CliContext,
    name: str | None,
    org: str | None,
    replaces: str | None,
    directory: Path | None,
) -> None:
    """Let one more validator join a network for development, while it goes on.

    Returns when it certifies blocks. Repeat it with NAME when it was interrupted: it goes on.
    """
    from ledger.node.dev_membership import choose_name, read_members

    place = development_directory(context, directory)
    members = read_members(place)
    chosen = name or choose_name(place, members)
    _check_newcomer(members, chosen, replaces, place)
    steps = _Steps(context)
    with _acting(context, place, AUTHORITY) as authority:
        organisation = _find_organisation(authority, place, members, chosen, org, replaces)
        context.output.progress(f"adding {chosen} …")
        member = _admit(authority, place, chosen, organisation.did, steps)
    with _acting(context, place, organisation.short_name) as owner:
        _catch_up(context, owner, place, chosen)
        if not member.activated_height:
            _activate(owner, place, chosen, replaces, steps)
        else:
            steps.add("activated", member.activated_height, "before")
        _note_activation(owner, place, chosen)
    activated = steps.height("activated") or 0
    wait_for(
        place,
        chosen,
        lambda state: (
            state.status is not None
            and state.status.voting
            and state.status.height >= activated + CHANGE_DELAY
        ),
        f"{chosen} does not certify yet",
    )
    steps.add("certifying", activated + CHANGE_DELAY, "from this block on")
    _show_added(context, place, chosen, replaces, steps)


@click.command(
    "remove-node",
    cls=PsetCommand,
    examples="""
        $ pset network remove-node n2
        $ pset network remove-node leader      # the others elect another one
    """,
)
@click.argument("node", metavar="NODE")
@dir_option
@pass_context
def remove_node(context: CliContext, node: str, directory: Path | None) -> None:
    """Let a validator of a network for development leave, for ever. NODE is n1…, or leader.

    Returns when the others certify without it and its process has ended. Its directory stays.
    """
    from ledger.node.dev_membership import note_removed, read_members
    from ledger.node.dev_processes import network_status
    from ledger.node.process import find_process
    from sdk.operations import RemoveValidator

    place = development_directory(context, directory)
    if node == LEADER:
        [state] = choose_nodes(network_status(place), node, place)
        node = state.validator
    members = read_members(place)
    _check_known(members, node, place)
    home = place / node
    ran = find_process(home) is not None
    with _acting(context, place, AUTHORITY) as client:
        record = _read_member(client, node)
        if record is None or not record.removed_height:
            with context.output.working(f"removing {node}"):
                receipt = client.submit(RemoveValidator(node))
            height = receipt.height
        else:
            height = record.removed_height
    note_removed(place, node, height)
    was_active = node not in members.learners
    if was_active:
        with context.output.working("waiting until the others certify without it"):
            wait_for_height(place, height + CHANGE_DELAY)
    last_words = wait_until_ended(context, place, node) if ran else ""
    left = read_members(place)
    quorum = Quorum(len(left.active), left.genesis.fault_model)
    counts_from = height + CHANGE_DELAY if was_active else height
    rows = [
        ("removed", f"{node} by block {height}; the others certify from block {counts_from} on"),
        ("ended", (last_words or "it said nothing").splitlines() if ran else "it did not run"),
        ("left", quorum.text),
    ]
    context.output.result(
        "NodeRemoved",
        {
            "node": node,
            "height": height,
            "counts_from": counts_from,
            "ran": ran,
            "last_words": last_words,
            "validators": [held.id for held in left.active],
            "quorum": {"needed": quorum.needed, "of": quorum.of, "text": quorum.text},
        },
        details(rows),
    )
    context.output.hint(f"NEXT      pset network status; {home} stays, its key never votes again")


# Refusals -----------------------------------------------------------------------------------------


def _check_newcomer(members: Members, name: str, replaces: str | None, place: Path) -> None:
    """Refuse before anything is made.

    Raises:
        CommandError: NODE_EXISTS, NODE_REMOVED, NODE_UNKNOWN, NETWORK_OF_ONE, NETWORK_IN_MEMORY.
    """
    from ledger.node.config import load_config

    if members.find_removal(name) is not None:
        raise _removed(members, name)
    if members.find(name) is not None and name not in members.learners:
        raise CommandError(
            f"{name} is a validator of this network already",
            code="NODE_EXISTS",
            remedy="Choose another name, or leave it out.",
        )
    if replaces is not None:
        _check_known(members, replaces, place)
        if replaces in members.learners:
            raise CommandError(
                f"{replaces} is a learner: it certifies nothing that could be taken over",
                code="NODE_UNKNOWN",
                remedy=f"Name a validator, or remove it: pset network remove-node {replaces}.",
            )
    only = members.current[0]
    if len(members.current) == 1 and not load_config(place / only.id).peers.addresses:
        raise CommandError(
            "the only validator of this network listens to no others",
            code="NETWORK_OF_ONE",
            remedy="Begin with several: pset network up --nodes 3 --dir DIR.",
        )


def _check_known(members: Members, node: str, place: Path) -> None:
    if members.find(node) is not None:
        return
    if members.find_removal(node) is not None:
        raise _removed(members, node)
    names = [held.id for held in members.current]
    raise CommandError(
        f"there is no node {node} in {place}",
        code="NODE_UNKNOWN",
        remedy=f"Name one of: {', '.join(names)}.",
    )


def _removed(members: Members, node: str) -> CommandError:
    removal = members.find_removal(node)
    assert removal is not None, "the caller has looked"
    return CommandError(
        f"{node} was removed by block {removal.height}, which is final",
        code="NODE_REMOVED",
        remedy="A validator with another name can join: pset network add-node.",
    )


# Through the ledger -------------------------------------------------------------------------------


@contextmanager
def _acting(context: CliContext, place: Path, org: str) -> Generator[LedgerClient]:
    """A client that signs with an organisation's admin key, which this directory holds.

    Raises:
        CommandError: KEY_ROLE_NOT_HELD.
    """
    from sdk.client import LedgerClient
    from sdk.signers import KeyStore

    keys = _find_keys(place, org)
    client = LedgerClient.connect(
        place,
        org=org,
        signer=KeyStore(keys).load("admin"),
        timeout=context.timeout,
        home=context.settings.home,
    )
    with client:
        yield client


def _find_keys(place: Path, org: str) -> Path:
    from sdk.networks import read_network

    keys = read_network(place).key_directory / org
    if not (keys / "admin.key").is_file():
        raise CommandError(
            f"there is no admin key of {org} in {keys.parent}",
            code="KEY_ROLE_NOT_HELD",
            remedy="Name an organisation with --org whose keys are there: who runs a validator"
            " activates it.",
        )
    return keys


def _read_member(client: LedgerClient, name: str) -> MemberRecord | None:
    """What the ledger knows of a validator, proven."""
    from ledger.model.codec import decode
    from ledger.model.limits import STATE_VALUE_SIZE_MAX
    from ledger.model.records import MemberRecord
    from ledger.model.schema import validator_key

    value = client.get(validator_key(name)).value
    return None if value is None else decode(MemberRecord, value, size_max=STATE_VALUE_SIZE_MAX)


def _find_organisation(
    client: LedgerClient,
    place: Path,
    members: Members,
    name: str,
    org: str | None,
    replaces: str | None,
) -> Organisation:
    """Who runs the newcomer: as its home says, if it has one, as asked, or as the replaced one.

    Raises:
        CommandError: KEY_ROLE_NOT_HELD: here is no key with which that organisation activates it.
    """
    from ledger.node.setup import read_validator

    made = read_validator(place / name)
    replaced = members.find(replaces) if replaces is not None else None
    organisations = members.genesis.organisations
    if made is not None:
        asked = made.organisation
    elif org is not None:
        asked = org
    elif replaced is not None:
        asked = replaced.organisation
    else:
        in_turn = organisations[len(members.homes) % len(organisations)]
        asked = organisation_did(members.genesis, in_turn)
    found = client.organisation(asked).value
    _find_keys(place, found.short_name)
    return found


def _admit(
    client: LedgerClient, place: Path, name: str, organisation: str, steps: _Steps
) -> MemberRecord:
    """Make its home, unless it has one, and let the ledger admit it, unless it has."""
    import shutil

    from ledger.node.config import load_config
    from ledger.node.dev_membership import create_newcomer, note_learner
    from ledger.node.setup import read_validator
    from sdk.operations import AdmitValidator, Validator

    home = place / name
    validator, is_made = read_validator(home), False
    if validator is None:
        validator, is_made = create_newcomer(place, name, organisation), True
    member = _read_member(client, name)
    if member is None:
        operation = AdmitValidator(
            Validator(
                id=name,
                organisation=validator.organisation,
                vote_key_type=validator.vote_key_type.label,
                vote_key=validator.vote_key,
                vote_possession=validator.vote_possession,
                peer_key=validator.peer_key,
                tls_certificate=validator.tls_certificate,
            ),
            load_config(home).peers.listen,
        )
        try:
            client.submit(operation)
        except RefusedError:
            if is_made:
                shutil.rmtree(home)  # it was made for nothing
            raise
        member = _read_member(client, name)
    assert member is not None, "the ledger has said that it is admitted"
    if member.removed_height:
        from ledger.node.dev_membership import note_removed, read_members

        note_removed(place, name, member.removed_height)
        raise _removed(read_members(place), name)
    if not member.activated_height:
        note_learner(place, name)
    steps.add("admitted", member.admitted_height, f"as number {member.number}, a learner")
    return member


def _catch_up(context: CliContext, client: LedgerClient, place: Path, name: str) -> None:
    """Start it, and wait until it follows the chain."""
    from ledger.node.dev_processes import start_network

    with context.output.working(f"starting {name}, waiting until it has caught up"):
        start_network(place, only={name})
        target = client.head().height
        wait_for(
            place,
            name,
            lambda state: (
                state.status is not None
                and state.status.height >= target
                and bool(state.status.leader)
                and state.status.role != "observer"
            ),
            f"{name} has not caught up with block {target}",
        )


def _activate(
    client: LedgerClient, place: Path, name: str, replaces: str | None, steps: _Steps
) -> None:
    """Prove that it has a recent block, and let the ledger activate it."""
    head = client.head()
    state = wait_for(
        place,
        name,
        lambda state: state.status is not None and state.status.height >= head.height,
        f"{name} has not caught up with block {head.height}",
    )
    assert state.status is not None
    steps.add("caught up", state.status.height, "it has this block")
    receipt = _submit_activation(client, _prove(client, place, name, replaces))
    steps.add(
        "activated",
        receipt.height,
        f"{replaces} leaves with the same change" if replaces else "the set grows by it",
    )


def _prove(client: LedgerClient, place: Path, name: str, replaces: str | None) -> ActivateValidator:
    from ledger.node.keys import load_validator_keys
    from sdk.operations import ActivateValidator
    from sdk.signers import LocalSigner

    keys = load_validator_keys(place / name)
    head = client.head()
    return ActivateValidator.prove(
        client.chain_id,
        name,
        head.height,
        bytes.fromhex(head.block_hash),
        LocalSigner(keys.vote),
        replaces=replaces,
    )


def _submit_activation(client: LedgerClient, operation: ActivateValidator) -> Receipt:
    """Once more for a while where links to the newcomer may not stand yet."""
    deadline = time.monotonic() + LINKS_SECONDS_MAX
    while True:
        try:
            return client.submit(operation)
        except RefusedError as error:
            # With a receipt it is the ledger's own count, which waiting does not change.
            is_final = error.receipt is not None or time.monotonic() > deadline
            if error.code != _QUORUM or is_final:
                raise
        time.sleep(POLL_SECONDS)


def _note_activation(client: LedgerClient, place: Path, name: str) -> None:
    """In the directory, with whom it replaced, as the ledger has it."""
    from ledger.node.dev_membership import note_active, note_learner, note_removed, read_members

    member = _read_member(client, name)
    assert member is not None, "it is active"
    if read_members(place).find(name) is None:
        note_learner(place, name)
    note_active(place, name)
    if member.replaces:
        replaced = _read_member(client, member.replaces)
        assert replaced is not None, "who was replaced was a member"
        note_removed(place, member.replaces, replaced.removed_height)


def _show_added(
    context: CliContext, place: Path, name: str, replaces: str | None, steps: _Steps
) -> None:
    from ledger.node.config import load_config
    from ledger.node.dev_membership import read_members

    members = read_members(place)
    quorum = Quorum(len(members.active), members.genesis.fault_model)
    address = load_config(place / name).api.listen
    held = members.find(name)
    context.output.result(
        "NodeAdded",
        {
            "node": name,
            "organisation": "" if held is None else held.organisation,
            "address": address,
            "replaces": replaces or "",
            "steps": [
                {"step": step, "height": height, "text": text} for step, height, text in steps.rows
            ],
            "certifying_since": steps.height("certifying"),
            "validators": [held.id for held in members.active],
            "quorum": {"needed": quorum.needed, "of": quorum.of, "text": quorum.text},
        },
        [
            f"added     {name} ({address})",
            table(("step", "block", ""), steps.rows),
            quorum.text,
        ],
    )
    context.output.hint("NEXT      pset network status")
