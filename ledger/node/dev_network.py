# SPDX-License-Identifier: Apache-2.0
"""Development networks: a directory with genesis, keys of four organisations and validators' homes.

    network.json     name, chain id, fingerprint, endpoints (what clients need)
    genesis.json     the genesis document
    keys/ORG/*.key   the organisations' keys, readable by whoever owns the directory
    n1/ …            the validators' homes (`ledger.node.setup`)

In a real network no party ever holds another's key; here one directory holds them all.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.api.ports import NodeStatus
from ledger.api.probe import NodeProbe, ProbeError
from ledger.model.block import Validator
from ledger.model.charter import ROOT_POWERS, default_charter
from ledger.model.codec import encode
from ledger.model.genesis import (
    Genesis,
    GenesisOrganisation,
    RecoveryPolicy,
    RootGrant,
    decode_genesis,
    encode_genesis,
)
from ledger.model.hashes import compute_did, request_message
from ledger.model.identifiers import is_network
from ledger.model.keyfile import (
    SECRET_SIZE,
    PrivateKey,
    encode_key_file,
    generate_private_key,
)
from ledger.model.keys import KeyRole, KeyType
from ledger.model.operations import KeyEntry, KeySignature, OrganisationRequest, Scope
from ledger.node.config import (
    STORAGE_ENGINES,
    ApiOptions,
    BlockOptions,
    StorageOptions,
    load_config,
)
from ledger.node.errors import NodeError, usage_error
from ledger.node.keys import is_vote_key_fresh, write_new_file
from ledger.node.process import (
    POLL_SECONDS,
    find_process,
    read_output,
    spawn_node,
    stop_process,
)
from ledger.node.setup import create_node_home
from ledger.node.stores import load_genesis

NETWORK_FILE: Final = "network.json"
GENESIS_FILE: Final = "genesis.json"
NETWORK_FORMAT: Final = "psetledger-network/1"
START_SECONDS_MAX: Final = 60.0
"""How long a network may take until a block is certified."""
STOP_SECONDS_MAX: Final = 30.0
PROBE_SECONDS: Final = 2.0
PORTS: Final = range(20_000, 32_000)
PORT_TRIES_COUNT_MAX: Final = 1_000
GAP_HOURS_MAX: Final = 30 * 24
"""Networks of one's own are stopped for nights and weekends; nobody else waits for their clock."""
ROOT_GRANT_DAY: Final = 14_396
"""2009-06-01, when the NQF Act came into force."""

ORGANISATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "saqa": ("South African Qualifications Authority (sample)", "authority"),
    "che": ("Council on Higher Education (sample)", "quality-council"),
    "umalusi": ("Umalusi (sample)", "quality-council"),
    "qcto": ("Quality Council for Trades and Occupations (sample)", "quality-council"),
}
"""Name and type of a development network's organisations by short name; validators in this order."""

KEY_ROLES: Final = (KeyRole.ADMIN, KeyRole.LEDGER, KeyRole.ISSUE)


@dataclass(frozen=True, slots=True)
class NodeState:
    """One validator of a development network, as seen from outside."""

    validator: str
    home: Path
    address: str
    pid: int | None
    """None: it does not run."""
    status: NodeStatus | None
    """None: it does not answer."""
    problem: str
    """Why not, or an empty string."""


def create_network(
    directory: Path,
    *,
    nodes: int = 1,
    storage: str = "leveldb",
    fault_model: str = "crash",
    name: str = "dev",
) -> Genesis:
    """Make a development network; nothing runs yet.

    Args:
        directory: made if it is missing; must not hold a network.
        nodes: validators; this release runs one.
        storage: `leveldb` or `memory` (gone when the node stops).
        fault_model: `crash` or `byzantine`.
        name: of the network, in every DID.

    Raises:
        NodeError: NETWORK_EXISTS, NODES_UNSUPPORTED, OPTION_INVALID. Nothing is changed then.
    """
    _check_options(directory, nodes, storage, fault_model, name)
    if storage == "leveldb":
        _check_leveldb()
    is_new = not directory.exists()
    try:
        return _create(directory, nodes, storage, fault_model, name)
    except BaseException:
        # Half a network is of no use, and its keys are known to nobody.
        for child in (*_homes(directory), directory / "keys"):
            shutil.rmtree(child, ignore_errors=True)
        if is_new:
            shutil.rmtree(directory, ignore_errors=True)
        raise


def start_network(directory: Path) -> Sequence[NodeState]:
    """Start what does not run and wait until a heartbeat is certified everywhere.

    Raises NodeError: NETWORK_NOT_FOUND, MEMORY_NETWORK_ENDED, or NODE_NOT_STARTED with what the node
    said; then what was started here is stopped again.
    """
    genesis = read_genesis(directory)
    for validator in genesis.validators:
        _check_memory(directory, validator)
    started: list[Path] = []
    try:
        for validator in genesis.validators:
            home = directory / validator.id
            process = None
            if find_process(home) is None:
                process = spawn_node(home)
                started.append(home)
            _wait_until_certified(home, validator.id, validator.tls_certificate, process)
    except BaseException:
        for home in started:
            stop_process(home, grace_seconds=STOP_SECONDS_MAX)
        raise
    return network_status(directory)


def stop_network(directory: Path) -> Sequence[str]:
    """Stop what runs; the ids of the validators that did.

    Raises NodeError: NETWORK_NOT_FOUND, NODE_NOT_STOPPING.
    """
    return [
        validator.id
        for validator in read_genesis(directory).validators
        if stop_process(directory / validator.id, grace_seconds=STOP_SECONDS_MAX)
    ]


def network_status(directory: Path) -> Sequence[NodeState]:
    """Ask every validator how it is. Raises NodeError (NETWORK_NOT_FOUND)."""
    return [
        get_node_state(directory / validator.id, validator.tls_certificate)
        for validator in read_genesis(directory).validators
    ]


def get_node_state(home: Path, tls_certificate: bytes | None = None) -> NodeState:
    """One node of any network, by its home. Raises NodeError for a home that is none."""
    config = load_config(home)
    validator_id = config.node.id
    if tls_certificate is None:
        _, genesis = load_genesis(config.genesis_path)
        found = [v.tls_certificate for v in genesis.validators if v.id == validator_id]
        if not found:
            raise usage_error(
                "VALIDATOR_UNKNOWN",
                f"{validator_id} is no validator of this genesis document",
                "Set node.id in config.toml to the validator's id.",
            )
        tls_certificate = found[0]
    pid = find_process(home)
    status, problem = None, "" if pid else "not running"
    if pid:
        try:
            with NodeProbe(config.api.listen, validator_id, tls_certificate) as probe:
                status = probe.get_status(timeout_seconds=PROBE_SECONDS)
        except ProbeError as error:
            problem = str(error)
    return NodeState(validator_id, home, config.api.listen, pid, status, problem)


def read_genesis(directory: Path) -> Genesis:
    """The genesis document of a network directory. Raises NodeError (NETWORK_NOT_FOUND)."""
    if not (directory / NETWORK_FILE).is_file():
        raise usage_error(
            "NETWORK_NOT_FOUND",
            f"{directory} holds no network",
            "Make one with `pset network up`, or give its directory with --dir.",
        )
    return load_genesis(directory / GENESIS_FILE)[1]


def _check_options(directory: Path, nodes: int, storage: str, fault_model: str, name: str) -> None:
    if (directory / NETWORK_FILE).exists() or (directory / GENESIS_FILE).exists():
        raise usage_error(
            "NETWORK_EXISTS",
            f"{directory} holds a network already",
            "Start it, remove it with `pset network down --purge`, or choose another directory.",
        )
    if nodes != 1:
        raise usage_error(
            "NODES_UNSUPPORTED",
            f"this release runs networks of one validator, not of {nodes}",
            "Use --nodes 1.",
        )
    choices: tuple[tuple[str, str, Sequence[str]], ...] = (
        ("storage", storage, STORAGE_ENGINES),
        ("fault model", fault_model, ("crash", "byzantine")),
    )
    for what, value, allowed in choices:
        if value not in allowed:
            raise usage_error(
                "OPTION_INVALID", f"{value!r} is no {what}", f"Use {' or '.join(allowed)}."
            )
    if not is_network(name):
        raise usage_error(
            "OPTION_INVALID", f"{name!r} is no network's name", "Use 1 to 20 of a-z, 0-9, hyphen."
        )


def _check_memory(directory: Path, validator: Validator) -> None:
    """Refuse what was in memory and ended: its keys have voted and their record is gone."""
    home = directory / validator.id
    if (
        load_config(home).storage.engine == "memory"
        and find_process(home) is None
        and not is_vote_key_fresh(home, validator.vote_key)
    ):
        raise NodeError(
            "MEMORY_NETWORK_ENDED",
            "this network was kept in memory and ended when it stopped",
            f"Remove it with `pset network down --purge --dir {directory}`, then `up` again.",
        )


def _check_leveldb() -> None:
    """Refuse before anything is written where LevelDB is not installed."""
    from ledger.storage.leveldb import check_available

    check_available()


def _create(directory: Path, nodes: int, storage: str, fault_model: str, name: str) -> Genesis:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    organisations: list[GenesisOrganisation] = []
    dids: list[str] = []
    for short_name, (full_name, organisation_type) in ORGANISATIONS.items():
        organisation = _create_organisation(
            directory / "keys" / short_name, name, short_name, full_name, organisation_type
        )
        organisations.append(organisation)
        dids.append(compute_did(name, organisation.request))
    ports = _find_free_ports(nodes)
    validators = [
        create_node_home(
            directory / f"n{number}",
            f"n{number}",
            organisation=dids[(number - 1) % len(dids)],
            api=ApiOptions(listen=f"127.0.0.1:{port}"),
            storage=StorageOptions(engine=storage),
            blocks=BlockOptions(gap_hours_max=GAP_HOURS_MAX),
        )
        for number, port in enumerate(ports, 1)
    ]
    genesis = Genesis(
        network=name,
        created=time.time_ns() // 1_000_000,
        fault_model=fault_model,
        certificate_scheme="bls12381",
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
    encoded = encode_genesis(genesis)
    genesis = decode_genesis(encoded)
    write_new_file(directory / GENESIS_FILE, encoded)
    # Last: where it is, the network is whole.
    write_new_file(directory / NETWORK_FILE, _encode_network(genesis, name, ports))
    return genesis


def _encode_network(genesis: Genesis, name: str, ports: Sequence[int]) -> bytes:
    document = {
        "format": NETWORK_FORMAT,
        "name": name,
        "chain_id": genesis.chain_id,
        "genesis_hash": genesis.genesis_hash.hex(),
        "endpoints": [
            {"validator": f"n{number}", "address": f"127.0.0.1:{port}"}
            for number, port in enumerate(ports, 1)
        ],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _create_organisation(
    directory: Path, network: str, short_name: str, full_name: str, organisation_type: str
) -> GenesisOrganisation:
    """Make an organisation's keys and its self-signed request."""
    directory.mkdir(mode=0o700, parents=True)
    keys: list[PrivateKey] = []
    for role in KEY_ROLES:
        entropy = secrets.token_bytes(SECRET_SIZE)
        key = generate_private_key(KeyType.ED25519, role, role.label, role.label, entropy)
        write_new_file(directory / f"{role.label}.key", encode_key_file(key, None, b"", b""))
        keys.append(key)
    request = encode(
        OrganisationRequest(
            network=network,
            short_name=short_name,
            name=full_name,
            type=organisation_type,
            keys=tuple(
                KeyEntry(
                    key_id=key.key_id, role=key.role, type=key.key_type, public_key=key.public_key
                )
                for key in keys
            ),
            nonce=secrets.token_bytes(16),
        )
    )
    message = request_message(request)
    return GenesisOrganisation(
        request=request,
        signatures=tuple(
            KeySignature(key_id=key.key_id, signature=key.sign(message)) for key in keys
        ),
    )


def _find_free_ports(count: int) -> list[int]:
    """Different ports of the loopback that are free now.

    Below those that systems give to outgoing connections, one of which could take a port before
    the node does.
    """
    found: list[int] = []
    for _ in range(PORT_TRIES_COUNT_MAX):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
        if len(found) == count:
            return found
    raise NodeError(
        "NO_FREE_PORT", "no free port was found on the loopback", "Close some programs."
    )


def _wait_until_certified(
    home: Path, validator_id: str, tls_certificate: bytes, process: Any
) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    problem = ""
    address = load_config(home).api.listen
    with NodeProbe(address, validator_id, tls_certificate) as probe:
        while time.monotonic() < deadline:
            if process is not None and process.poll() is not None:
                raise NodeError(
                    "NODE_NOT_STARTED",
                    f"{validator_id} ended: {read_output(home) or 'it said nothing'}",
                    f"See {home / 'logs'}.",
                )
            try:
                status = probe.get_status(timeout_seconds=PROBE_SECONDS)
                if status.height > 0:
                    return
                problem = status.voting_reason or "nothing is certified"
            except ProbeError as error:
                problem = str(error)
            time.sleep(POLL_SECONDS)
    raise NodeError(
        "NODE_NOT_STARTED",
        f"{validator_id} certified nothing in {START_SECONDS_MAX:.0f} s: {problem}",
        f"See {home / 'logs'}.",
    )


def _homes(directory: Path) -> list[Path]:
    return [path.parent for path in directory.glob("n*/config.toml")]
