# SPDX-License-Identifier: Apache-2.0
"""Who the validators of a development network are now: those of genesis, and who came and went since.

The chain decides that; network.json remembers it, so that a network that was stopped is started as it
was, and clients find the newcomers:

    endpoints   current validators and learners; newcomers with their TLS certificate
    learners    ids of those that are admitted and not activated
    removed     ids and heights of those that were removed; their homes stay, for auditors

Whoever lets the chain change notes it here afterwards; a note that is missing, because the command was
interrupted, is made when it is repeated. Nothing here asks the network.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from base64 import b64encode
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from ledger.model.block import Validator
from ledger.model.genesis import Genesis
from ledger.node.config import PeerOptions, TestingOptions, load_config
from ledger.node.dev_network import (
    HOST,
    NETWORK_FILE,
    NODES_COUNT_MAX,
    find_free_ports,
    order_of_validator,
    read_genesis,
    validator_id_of,
)
from ledger.node.errors import usage_error
from ledger.node.keys import sync_directory, write_new_file
from ledger.node.setup import VALIDATOR_FILE, create_node_home, read_validator

NETWORK_SIZE_MAX: Final = 64 * 1024
"""Bytes of network.json, as clients read it."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A validator that was."""

    id: str
    height: int
    """Of the block that removed it."""


@dataclass(frozen=True, slots=True)
class Members:
    """The validators of a development network, as its directory knows them."""

    genesis: Genesis
    current: tuple[Validator, ...]
    """Validators and learners, as people count them."""
    learners: frozenset[str]
    removed: tuple[Removal, ...]
    homes: tuple[str, ...]
    """Ids of everybody whose home lies in the directory, removed ones included."""

    @property
    def active(self) -> tuple[Validator, ...]:
        """Who votes, or will from two blocks later on."""
        return tuple(held for held in self.current if held.id not in self.learners)

    def find(self, validator_id: str) -> Validator | None:
        """A current validator or learner."""
        return next((held for held in self.current if held.id == validator_id), None)

    def find_removal(self, validator_id: str) -> Removal | None:
        """When one was removed."""
        return next((held for held in self.removed if held.id == validator_id), None)


def read_members(directory: Path) -> Members:
    """Who the validators are. Raises NodeError: NETWORK_NOT_FOUND, NETWORK_FILE, VALIDATOR_FILE."""
    genesis = read_genesis(directory)
    document = _read_document(directory)
    of_genesis = {held.id: held for held in genesis.validators}
    current: list[Validator] = []
    for endpoint in document["endpoints"]:
        validator_id = endpoint["validator"]
        held = of_genesis.get(validator_id) or read_validator(directory / validator_id)
        if held is None:
            raise usage_error(
                "VALIDATOR_FILE",
                f"{directory / validator_id / VALIDATOR_FILE} is missing",
                "Put the file back that was made with the home.",
            )
        current.append(held)
    added = {path.parent.name for path in directory.glob(f"*/{VALIDATOR_FILE}")}
    removed = (Removal(item["validator"], item["height"]) for item in document.get("removed", ()))
    return Members(
        genesis=genesis,
        current=tuple(sorted(current, key=lambda held: order_of_validator(held.id))),
        learners=frozenset(document.get("learners", ())),
        removed=tuple(sorted(removed, key=lambda held: order_of_validator(held.id))),
        homes=tuple(sorted({*of_genesis, *added}, key=order_of_validator)),
    )


def choose_name(directory: Path, members: Members) -> str:
    """The next name that nobody has or had: n4 after n1, n2, n3."""
    number = 1
    while (
        validator_id_of(number) in members.homes or (directory / validator_id_of(number)).exists()
    ):
        number += 1
    return validator_id_of(number)


def create_newcomer(directory: Path, validator_id: str, organisation: str) -> Validator:
    """Make the home of a validator that is to be admitted; nothing runs yet.

    It is configured like the others, and knows where everybody listens who ever had a home here: a
    node reads of newcomers and of removals in the chain.

    Args:
        directory: of the network.
        validator_id: that nobody has or had.
        organisation: DID of who runs it.

    Raises:
        NodeError: NETWORK_NOT_FOUND, OPTION_INVALID, VALIDATOR_ID_INVALID, HOME_EXISTS, NO_FREE_PORT.
            Nothing is changed then.
    """
    members = read_members(directory)
    if len(members.current) >= NODES_COUNT_MAX:
        raise usage_error(
            "OPTION_INVALID",
            f"a development network has at most {NODES_COUNT_MAX} validators",
            "Remove one first: pset network remove-node NODE.",
        )
    home = directory / validator_id
    if home.exists():
        raise usage_error("HOME_EXISTS", f"{home} is there already", "Choose another name.")
    like = load_config(directory / members.current[0].id)
    addresses = {other: load_config(directory / other).peers.listen for other in members.homes}
    api_port, peer_port = find_free_ports(2)
    try:
        return create_node_home(
            home,
            validator_id,
            organisation=organisation,
            certificate_scheme=members.genesis.certificate_scheme,
            api=type(like.api)(listen=f"{HOST}:{api_port}"),
            peers=PeerOptions(
                listen=f"{HOST}:{peer_port}",
                addresses=tuple(f"{other}={address}" for other, address in addresses.items()),
            ),
            consensus=like.consensus,
            storage=like.storage,
            blocks=like.blocks,
            testing=TestingOptions(isolation=True),
        )
    except BaseException:
        # Half a home is of no use.
        shutil.rmtree(home, ignore_errors=True)
        raise


def note_learner(directory: Path, validator_id: str) -> None:
    """It was admitted: clients may ask it, and `up` starts it. Idempotent."""
    home = directory / validator_id
    validator = read_validator(home)
    assert validator is not None, "a newcomer's home has its record"
    endpoint = {
        "validator": validator_id,
        "address": load_config(home).api.listen,
        "tls_certificate": b64encode(validator.tls_certificate).decode(),
    }

    def change(document: dict[str, Any]) -> None:
        _drop(document, validator_id)
        document["endpoints"].append(endpoint)
        document["learners"] = sorted({*document.get("learners", ()), validator_id})

    _change(directory, change)


def note_active(directory: Path, validator_id: str) -> None:
    """It was activated. Idempotent."""

    def change(document: dict[str, Any]) -> None:
        document["learners"] = [i for i in document.get("learners", ()) if i != validator_id]

    _change(directory, change)


def note_removed(directory: Path, validator_id: str, height: int) -> None:
    """A block removed it: it is asked and started no more. Idempotent."""

    def change(document: dict[str, Any]) -> None:
        _drop(document, validator_id)
        held = [i for i in document.get("removed", ()) if i["validator"] != validator_id]
        document["removed"] = [*held, {"validator": validator_id, "height": height}]

    _change(directory, change)


def _drop(document: dict[str, Any], validator_id: str) -> None:
    document["endpoints"] = [i for i in document["endpoints"] if i["validator"] != validator_id]
    document["learners"] = [i for i in document.get("learners", ()) if i != validator_id]


def _read_document(directory: Path) -> dict[str, Any]:
    path = directory / NETWORK_FILE
    with path.open("rb") as file:
        data = file.read(NETWORK_SIZE_MAX + 1)
    try:
        document = json.loads(data)
        _check_document(document)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise usage_error(
            "NETWORK_FILE",
            f"{path} is not what a development network holds: {error}",
            "Put the file back that `pset network up` made, or remove the network.",
        ) from None
    return cast("dict[str, Any]", document)


def _check_document(document: Any) -> None:
    """Whether names and heights stand where they are looked for; nothing else is asked of it here.

    Raises ValueError, TypeError, KeyError.
    """
    removed: Sequence[Any] = document.get("removed", ())
    names = [
        *(item["validator"] for item in document["endpoints"]),
        *(item["validator"] for item in removed),
        *document.get("learners", ()),
    ]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("a validator has no name")
    if not all(isinstance(item["height"], int) for item in removed):
        raise ValueError("a removal has no height")


def _change(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite network.json, whole or not at all; one command after another."""
    path = directory / NETWORK_FILE
    with _holding(directory):
        document = _read_document(directory)
        change(document)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        write_new_file(temporary, json.dumps(document, indent=2).encode() + b"\n")
        temporary.replace(path)
        sync_directory(directory)


@contextlib.contextmanager
def _holding(directory: Path) -> Generator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
