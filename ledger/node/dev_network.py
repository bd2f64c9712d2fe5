# SPDX-License-Identifier: Apache-2.0
"""Development networks: a directory with genesis, keys of four organisations and validators' homes.

    network.json     name, chain id, fingerprint, endpoints (what clients need)
    genesis.json     the genesis document
    keys/ORG/*.key   the organisations' keys, readable by whoever owns the directory
    n1/ …            the validators' homes (`ledger.node.setup`)

In a real network no party ever holds another's key; here one directory holds them all. The validators
may be cut off from each other (`testing.isolation`), for who wants to see what happens then.
`ledger.node.dev_processes` starts and stops them.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.model.block import Validator
from ledger.model.charter import ROOT_POWERS, default_charter
from ledger.model.genesis import (
    CERTIFICATE_SCHEMES,
    FAULT_MODELS,
    Genesis,
    GenesisOrganisation,
    RecoveryPolicy,
    RootGrant,
    decode_genesis,
    encode_genesis,
)
from ledger.model.hashes import compute_did
from ledger.model.identifiers import is_network
from ledger.model.operations import Scope
from ledger.node.config import (
    STORAGE_ENGINES,
    ApiOptions,
    BlockOptions,
    PeerOptions,
    StorageOptions,
    TestingOptions,
)
from ledger.node.dev_organisations import ORGANISATIONS, create_organisation
from ledger.node.errors import NodeError, usage_error
from ledger.node.keys import write_new_file
from ledger.node.setup import create_node_home
from ledger.node.stores import load_genesis

NETWORK_FILE: Final = "network.json"
GENESIS_FILE: Final = "genesis.json"
KEYS_DIRECTORY: Final = "keys"
NETWORK_FORMAT: Final = "psetledger-network/1"
HOST: Final = "127.0.0.1"
NODES_COUNT_MAX: Final = 25
"""Validators of one development network: each is a process of its own on this machine."""
PORTS: Final = range(20_000, 32_000)
PORT_TRIES_COUNT_MAX: Final = 1_000
GAP_HOURS_MAX: Final = 30 * 24
"""Networks of one's own are stopped for nights and weekends; nobody else waits for their clock."""
ROOT_GRANT_DAY: Final = 14_396
"""2009-06-01, when the NQF Act came into force."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a network is to be."""

    directory: Path
    nodes: int
    storage: str
    fault_model: str
    certificate_scheme: str
    name: str


def create_network(
    directory: Path,
    *,
    nodes: int = 1,
    storage: str = "leveldb",
    fault_model: str = "crash",
    certificate_scheme: str = "bls12381",
    name: str = "dev",
) -> Genesis:
    """Make a development network; nothing runs yet.

    Args:
        directory: made if it is missing; must not hold a network.
        nodes: validators, 1 to NODES_COUNT_MAX.
        storage: `leveldb` or `memory` (gone when the node stops).
        fault_model: `crash` or `byzantine`.
        certificate_scheme: `bls12381` or `ed25519`.
        name: of the network, in every DID.

    Raises:
        NodeError: NETWORK_EXISTS, OPTION_INVALID, NO_FREE_PORT. Nothing is changed then.
    """
    plan = _Plan(directory, nodes, storage, fault_model, certificate_scheme, name)
    _check_plan(plan)
    if storage == "leveldb":
        _check_leveldb()
    is_new = not directory.exists()
    try:
        return _create(plan)
    except BaseException:
        # Half a network is of no use, and its keys are known to nobody.
        homes = [directory / validator_id_of(number) for number in range(1, nodes + 1)]
        for child in (*homes, directory / KEYS_DIRECTORY):
            shutil.rmtree(child, ignore_errors=True)
        if is_new:
            shutil.rmtree(directory, ignore_errors=True)
        raise


def read_genesis(directory: Path) -> Genesis:
    """The genesis document of a network directory. Raises NodeError (NETWORK_NOT_FOUND)."""
    if not (directory / NETWORK_FILE).is_file():
        raise usage_error(
            "NETWORK_NOT_FOUND",
            f"{directory} holds no network",
            "Make one with `pset network up`, or give its directory with --dir.",
        )
    return load_genesis(directory / GENESIS_FILE)[1]


def validators_in_order(genesis: Genesis) -> tuple[Validator, ...]:
    """As people count them: n2 before n10, which genesis sorts the other way round."""
    return tuple(sorted(genesis.validators, key=lambda held: order_of_validator(held.id)))


def order_of_validator(validator_id: str) -> tuple[int, str]:
    """Sorts n2 before n10."""
    return len(validator_id), validator_id


def _check_plan(plan: _Plan) -> None:
    directory = plan.directory
    if (directory / NETWORK_FILE).exists() or (directory / GENESIS_FILE).exists():
        raise usage_error(
            "NETWORK_EXISTS",
            f"{directory} holds a network already",
            "Start it, remove it with `pset network down --purge`, or choose another directory.",
        )
    if not 1 <= plan.nodes <= NODES_COUNT_MAX:
        raise usage_error(
            "OPTION_INVALID",
            f"a development network has no {plan.nodes} validators",
            f"Use 1 to {NODES_COUNT_MAX}.",
        )
    choices: tuple[tuple[str, str, Sequence[str]], ...] = (
        ("storage", plan.storage, STORAGE_ENGINES),
        ("fault model", plan.fault_model, FAULT_MODELS),
        ("certificate scheme", plan.certificate_scheme, tuple(CERTIFICATE_SCHEMES)),
    )
    for what, value, allowed in choices:
        if value not in allowed:
            raise usage_error(
                "OPTION_INVALID", f"{value!r} is no {what}", f"Use {' or '.join(allowed)}."
            )
    if not is_network(plan.name):
        raise usage_error(
            "OPTION_INVALID",
            f"{plan.name!r} is no network's name",
            "Use 1 to 20 of a-z, 0-9, hyphen.",
        )


def _check_leveldb() -> None:
    """Refuse before anything is written where LevelDB is not installed."""
    from ledger.storage.leveldb import check_available

    check_available()


def _create(plan: _Plan) -> Genesis:
    directory = plan.directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    organisations = [
        create_organisation(directory / KEYS_DIRECTORY / short_name, plan.name, short_name, *names)
        for short_name, names in ORGANISATIONS.items()
    ]
    dids = [compute_did(plan.name, organisation.request) for organisation in organisations]
    ports = find_free_ports(2 * plan.nodes)
    addresses = {
        validator_id_of(number): (f"{HOST}:{api_port}", f"{HOST}:{peer_port}")
        for number, (api_port, peer_port) in enumerate(
            zip(ports[: plan.nodes], ports[plan.nodes :], strict=True), 1
        )
    }
    validators = [
        create_node_home(
            directory / validator_id,
            validator_id,
            organisation=dids[position % len(dids)],
            certificate_scheme=plan.certificate_scheme,
            api=ApiOptions(listen=listen),
            peers=PeerOptions(
                listen=peer_listen,
                addresses=tuple(
                    f"{other}={address}"
                    for other, (_, address) in addresses.items()
                    if other != validator_id
                ),
            ),
            storage=StorageOptions(engine=plan.storage),
            blocks=BlockOptions(gap_hours_max=GAP_HOURS_MAX),
            testing=TestingOptions(isolation=True),
        )
        for position, (validator_id, (listen, peer_listen)) in enumerate(addresses.items())
    ]
    encoded = encode_genesis(_make_genesis(plan, validators, organisations, dids))
    genesis = decode_genesis(encoded)
    write_new_file(directory / GENESIS_FILE, encoded)
    # Last: where it is, the network is whole.
    endpoints = {validator_id: listen for validator_id, (listen, _) in addresses.items()}
    write_new_file(directory / NETWORK_FILE, _encode_network(genesis, endpoints))
    return genesis


def validator_id_of(number: int) -> str:
    """What the validators of a development network are called, counted from 1."""
    return f"n{number}"


def _make_genesis(
    plan: _Plan,
    validators: Sequence[Validator],
    organisations: Sequence[GenesisOrganisation],
    dids: Sequence[str],
) -> Genesis:
    return Genesis(
        network=plan.name,
        created=time.time_ns() // 1_000_000,
        fault_model=plan.fault_model,
        certificate_scheme=plan.certificate_scheme,
        validators=tuple(sorted(validators, key=lambda validator: validator.id)),
        organisations=tuple(organisations),
        root_grants=(
            RootGrant(
                grantee=dids[0],
                powers=tuple(sorted(ROOT_POWERS)),
                scope=Scope(),
                valid_from=ROOT_GRANT_DAY,
            ),
        ),
        recovery_policy=RecoveryPolicy(organisations=tuple(sorted(dids)), threshold=3),
        charter=default_charter(),
    )


def _encode_network(genesis: Genesis, endpoints: dict[str, str]) -> bytes:
    document = {
        "format": NETWORK_FORMAT,
        "name": genesis.network,
        "chain_id": genesis.chain_id,
        "genesis_hash": genesis.genesis_hash.hex(),
        "endpoints": [
            {"validator": validator_id, "address": address}
            for validator_id, address in endpoints.items()
        ],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def find_free_ports(count: int) -> list[int]:
    """Different ports of the loopback that are free now.

    Below those that systems give to outgoing connections, one of which could take a port before
    the node does.
    """
    found: list[int] = []
    for _ in range(PORT_TRIES_COUNT_MAX):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        if port in found:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise NodeError(
        "NO_FREE_PORT",
        f"no {count} free ports were found on the loopback",
        "Close some programs, or use fewer validators.",
    )
