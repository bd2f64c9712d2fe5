# SPDX-License-Identifier: Apache-2.0
"""Which ledger this machine talks to: pinned genesis documents and where their nodes listen.

A network is a directory with `network.json` (name, chain id, fingerprint, endpoints) and
`genesis.json`. The fingerprint in network.json is the pin: the genesis beside it must hash to it.
Configured networks lie in HOME/networks/NAME; a development network is such a directory anywhere,
with its organisations' keys in `keys/ORG/`.

A bare word is always a configured name and a path always contains "/", so a directory that happens
to be called `za` never becomes a trust root. A URL is never a trust root: `pset network add` fetches
nothing that it does not compare with a fingerprint.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from ledger.model.genesis import Genesis, GenesisError, decode_genesis
from ledger.model.hashes import compute_genesis_hash
from ledger.model.identifiers import is_network, is_validator_id
from ledger.model.limits import (
    GENESIS_SIZE_MAX,
    TLS_CERTIFICATE_SIZE_MAX,
    VALIDATORS_COUNT_MAX,
)
from ledger.model.verification import TrustRoot, make_trust_root
from sdk.errors import CallerError, PsetError, TrustError
from sdk.fingerprint import fingerprint_words, format_fingerprint, parse_fingerprint
from sdk.home import (
    DEFAULT_NETWORK,
    NETWORK_VARIABLE,
    Home,
    format_json,
    read_json_file,
    write_file,
)

NETWORK_FILE: Final = "network.json"
GENESIS_FILE: Final = "genesis.json"
TRUST_FILE: Final = "trust.json"
NETWORK_FORMAT: Final = "psetledger-network/1"
NETWORKS_COUNT_MAX: Final = 256

_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})", re.ASCII)
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://", re.ASCII)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a validator's client API listens."""

    validator: str
    address: str
    """host:port"""
    tls_certificate: bytes = b""
    """DER, of a validator that was admitted after genesis; empty for those of genesis."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network that this machine trusts."""

    name: str
    directory: Path
    genesis: Genesis
    genesis_hash: bytes
    endpoints: tuple[Endpoint, ...]

    @property
    def chain_id(self) -> str:
        return self.genesis.chain_id

    @property
    def fingerprint(self) -> str:
        return format_fingerprint(self.genesis_hash)

    @property
    def words(self) -> tuple[str, ...]:
        """The fingerprint to read aloud."""
        return fingerprint_words(self.genesis_hash)

    @property
    def is_development(self) -> bool:
        """Whether the organisations' keys lie beside the genesis: nobody does that in earnest."""
        return self.key_directory.is_dir()

    @property
    def key_directory(self) -> Path:
        """Keys of a development network, one directory for each organisation's short name."""
        return self.directory / "keys"

    @property
    def trust_root(self) -> TrustRoot:
        return make_trust_root(self.genesis)

    def tls_certificate(self, validator: str) -> bytes:
        """DER of the CA certificate in the validator's record: the only root of its TLS.

        Genesis has it, or network.json for who was admitted later. It decides whom a client talks
        to; what to believe is decided by the quorum's signatures.
        """
        for held in self.genesis.validators:
            if held.id == validator:
                return held.tls_certificate
        for endpoint in self.endpoints:
            if endpoint.validator == validator and endpoint.tls_certificate:
                return endpoint.tls_certificate
        raise _damaged(self.directory / NETWORK_FILE, f"{validator} is no validator of the genesis")


def resolve_network(
    network: str | Path | None, home: Home, environment: Mapping[str, str] | None = None
) -> Network:
    """The network meant: a configured name, or a directory. None: PSET_NETWORK, profile, `za`.

    Raises:
        CallerError: NETWORK_UNKNOWN, NETWORK_URL, NETWORK_NAME_INVALID, NETWORK_DAMAGED.
        PsetError: NO_TRUST_ROOT: `za` is not configured and this release embeds no trust root.
        TrustError: FINGERPRINT_MISMATCH: the genesis is not the pinned one.
    """
    if network is None:
        environment = os.environ if environment is None else environment
        network = environment.get(NETWORK_VARIABLE) or home.read_profile().network
    if network is None:
        network = DEFAULT_NETWORK
    if isinstance(network, Path):
        return read_network(network)
    if _URL.match(network):
        raise CallerError(
            f"{network} is a URL, and a trust root is never taken from one",
            code="NETWORK_URL",
            remedy="Fetch the network's files, compare the fingerprint with its operators and run"
            " `pset network add FILE --fingerprint HEX`.",
        )
    if "/" in network or (os.sep != "/" and os.sep in network):
        return read_network(Path(network))
    directory = _configured(network, home)
    if not (directory / NETWORK_FILE).exists():
        raise _unknown(network, home)
    return replace(read_network(directory), name=network)


def read_network(directory: Path) -> Network:
    """The network in a directory, its genesis checked against the pinned fingerprint.

    Raises:
        CallerError: NETWORK_UNKNOWN, NETWORK_DAMAGED.
        TrustError: FINGERPRINT_MISMATCH.
    """
    path = directory / NETWORK_FILE
    try:
        document = read_json_file(path, NETWORK_FORMAT)
    except FileNotFoundError:
        raise CallerError(
            f"there is no network in {directory}",
            code="NETWORK_UNKNOWN",
            remedy="Give a directory with network.json and genesis.json, or start one with"
            " `pset network up`.",
        ) from None
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    pinned = parse_fingerprint(_text(document, "genesis_hash", path))
    if pinned is None:
        raise _damaged(path, "genesis_hash is no fingerprint")
    genesis_path = directory / GENESIS_FILE
    genesis = _read_genesis(genesis_path, pinned)
    if document.get("chain_id") != genesis.chain_id:
        raise _damaged(path, "chain_id is not that of the genesis")
    name = _text(document, "name", path)
    if not is_network(name):
        raise _damaged(path, "name is 1 to 20 of a-z, 0-9 and hyphen")
    validators = {validator.id for validator in genesis.validators}
    endpoints = _read_endpoints(document.get("endpoints"), validators, path)
    return Network(name, directory, genesis, pinned, endpoints)


def write_network(
    directory: Path, *, name: str, genesis: bytes, endpoints: Sequence[Endpoint]
) -> None:
    """Write network.json and genesis.json; genesis first, so that the pin never lacks its file.

    Raises:
        CallerError: FILE_UNWRITABLE, NETWORK_DAMAGED (the genesis is none).
    """
    held = _decode_genesis(genesis, directory / GENESIS_FILE)
    document = {
        "format": NETWORK_FORMAT,
        "name": name,
        "chain_id": held.chain_id,
        "genesis_hash": format_fingerprint(compute_genesis_hash(genesis)),
        "endpoints": [_format_endpoint(endpoint) for endpoint in endpoints],
    }
    write_file(directory / GENESIS_FILE, genesis)
    write_file(directory / NETWORK_FILE, format_json(document))


def add_network(source: Path, *, fingerprint: str, home: Home, name: str | None = None) -> Network:
    """Store a network under HOME when its genesis has the fingerprint that the user was told.

    `source` is a directory with network.json and genesis.json, or either of the two files.

    Raises:
        CallerError: FINGERPRINT_INVALID, NETWORK_UNKNOWN, NETWORK_DAMAGED, NETWORK_NAME_INVALID,
            NETWORK_EXISTS (another network has the name).
        TrustError: FINGERPRINT_MISMATCH. Nothing is stored.
    """
    told = parse_fingerprint(fingerprint)
    if told is None:
        raise CallerError(
            "a fingerprint has 64 hexadecimal digits",
            code="FINGERPRINT_INVALID",
            remedy="Ask the network's operators for it on another way than the file came.",
        )
    directory = source if source.is_dir() else source.parent
    if source.is_file() and source.name not in {NETWORK_FILE, GENESIS_FILE}:
        raise CallerError(
            f"{source} is neither {NETWORK_FILE} nor {GENESIS_FILE}",
            code="NETWORK_UNKNOWN",
            remedy="Give the directory that holds these two files.",
        )
    network = read_network(directory)
    if network.genesis_hash != told:
        raise _mismatch(directory / GENESIS_FILE, network.genesis_hash, told)
    name = network.name if name is None else name
    target = _configured(name, home)
    if (target / NETWORK_FILE).exists() and read_network(target).genesis_hash != told:
        raise CallerError(
            f"another network is configured under the name {name}",
            code="NETWORK_EXISTS",
            remedy=f"Remove {target} if it is no longer meant, or choose another name.",
        )
    genesis = (directory / GENESIS_FILE).read_bytes()
    if compute_genesis_hash(genesis) != told:  # replaced since it was read
        raise _mismatch(directory / GENESIS_FILE, compute_genesis_hash(genesis), told)
    write_network(target, name=name, genesis=genesis, endpoints=network.endpoints)
    return read_network(target)


def use_network(name: str, home: Home) -> Network:
    """Make a configured network the default.

    Raises:
        CallerError: NETWORK_UNKNOWN, NETWORK_NAME_INVALID, NETWORK_DAMAGED.
    """
    network = resolve_network(name, home)
    home.write_profile(replace(home.read_profile(), network=name))
    return network


def list_networks(home: Home) -> tuple[Network, ...]:
    """The configured networks by name.

    Raises:
        CallerError: NETWORK_DAMAGED for the first that cannot be read.
    """
    if not home.networks.is_dir():
        return ()
    found = sorted(path for path in home.networks.iterdir() if (path / NETWORK_FILE).exists())
    return tuple(replace(read_network(path), name=path.name) for path in found[:NETWORKS_COUNT_MAX])


def _configured(name: str, home: Home) -> Path:
    if not is_network(name):
        raise CallerError(
            f"{name!r} is no name of a network",
            code="NETWORK_NAME_INVALID",
            remedy="A name is 1 to 20 of a-z, 0-9 and hyphen; a directory is written with a /.",
        )
    return home.networks / name


def _unknown(name: str, home: Home) -> PsetError:
    if name == DEFAULT_NETWORK:
        return PsetError(
            "this release embeds no trust root for the production network `za`",
            code="NO_TRUST_ROOT",
            remedy="Get its genesis from its operators and run"
            " `pset network add FILE --fingerprint HEX`.",
        )
    return CallerError(
        f"no network called {name} is configured in {home.networks}",
        code="NETWORK_UNKNOWN",
        remedy="See `pset network list`; add it with `pset network add`, or give a directory with"
        " a / in it.",
    )


def _read_genesis(path: Path, pinned: bytes) -> Genesis:
    try:
        with path.open("rb") as file:
            data = file.read(GENESIS_SIZE_MAX + 1)
    except OSError as error:
        raise _damaged(path, f"cannot be read: {error.strerror}") from error
    found = compute_genesis_hash(data)
    if found != pinned:
        raise _mismatch(path, found, pinned)
    return _decode_genesis(data, path)


def _decode_genesis(data: bytes, path: Path) -> Genesis:
    try:
        return decode_genesis(data)
    except GenesisError as error:
        raise _damaged(path, f"{error.code}: {error}") from error


def _read_endpoints(value: object, validators: set[str], path: Path) -> tuple[Endpoint, ...]:
    items = cast(list[object], value) if isinstance(value, list) else None
    if items is None or len(items) > VALIDATORS_COUNT_MAX:
        raise _damaged(path, f"endpoints is no list of up to {VALIDATORS_COUNT_MAX}")
    endpoints: list[Endpoint] = []
    for item in items:
        member = cast(dict[str, object], item) if isinstance(item, dict) else {}
        validator, address = member.get("validator"), member.get("address")
        certificate = _read_certificate(member.get("tls_certificate", ""))
        if certificate is None or not isinstance(validator, str) or not is_validator_id(validator):
            raise _damaged(path, "an endpoint has no validator's id, or no certificate in base64")
        if (validator in validators) == bool(certificate):
            raise _damaged(
                path, f"{validator}: a certificate is for those who are not in the genesis"
            )
        match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if match is None or not 0 < int(match[2]) < 65536:
            raise _damaged(path, f"the address of {validator} is not host:port")
        endpoints.append(Endpoint(validator, match[0], certificate))
    return tuple(endpoints)


def _read_certificate(value: object) -> bytes | None:
    """DER, empty where there is none; None for what is no certificate's base64."""
    try:
        certificate = b64decode(value, validate=True) if isinstance(value, str) else None
    except ValueError:
        return None
    if certificate is None or len(certificate) > TLS_CERTIFICATE_SIZE_MAX:
        return None
    return certificate


def _format_endpoint(endpoint: Endpoint) -> dict[str, str]:
    held = {"validator": endpoint.validator, "address": endpoint.address}
    if endpoint.tls_certificate:
        held["tls_certificate"] = b64encode(endpoint.tls_certificate).decode()
    return held


def _text(document: Mapping[str, Any], member: str, path: Path) -> str:
    value = document.get(member)
    if not isinstance(value, str):
        raise _damaged(path, f"{member} is missing")
    return value


def _damaged(path: Path, text: str) -> CallerError:
    return CallerError(
        f"{path}: {text}",
        code="NETWORK_DAMAGED",
        remedy="Add the network again with `pset network add`, from its operators' files.",
    )


def _mismatch(path: Path, found: bytes, expected: bytes) -> TrustError:
    return TrustError(
        f"{path} has the fingerprint {found.hex()[:16]}…, not {expected.hex()[:16]}…",
        code="FINGERPRINT_MISMATCH",
        remedy="Do not use this file. Compare the eight words with the network's operators.",
        evidence=path,
    )
