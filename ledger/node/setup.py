# SPDX-License-Identifier: Apache-2.0
"""Making a validator's home: keys, configuration, and the record that goes into genesis.

A home is the directory of one node::

    config.toml   what the operator may change
    validator.bin this validator's record, as genesis or an admission holds it
    keys/         vote.key peer.key tls.key, mode 0600; vote.fresh until the key votes
    data/         chain, votes
    logs/         node.log
    node.pid      while it runs
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ledger.model import bls
from ledger.model.block import Validator
from ledger.model.codec import decode, encode
from ledger.model.identifiers import is_validator_id
from ledger.model.keys import KeyType
from ledger.model.private_key import PrivateKey
from ledger.model.wire import EncodingError
from ledger.node.config import CONFIG_FILE, NodeOptions, encode_config
from ledger.node.errors import usage_error
from ledger.node.keys import create_validator_keys, get_vote_key_type, write_new_file
from ledger.node.tls import create_ca_certificate

VALIDATOR_FILE: Final = "validator.bin"
VALIDATOR_SIZE_MAX: Final = 16 * 1024


def prove_possession(key: PrivateKey) -> bytes:
    """What a validator's record shows of its vote key: for a BLS key that its holder has the secret,
    which aggregation needs; nothing for an Ed25519 key, whose signatures are not aggregated.
    """
    return bls.prove_possession(key.secret) if key.key_type is KeyType.BLS12381 else b""


def create_node_home(
    home: Path,
    validator_id: str,
    *,
    organisation: str,
    genesis: str = "../genesis.json",
    certificate_scheme: str = "bls12381",
    **tables: Any,
) -> Validator:
    """Make a home with fresh keys; the validator's record for genesis.

    Args:
        home: made if it is missing; must hold neither keys nor a configuration.
        validator_id: 1 to 32 of a-z, 0-9 and hyphen.
        organisation: DID of the organisation that runs the node.
        genesis: where the genesis document is, or will be; a relative path starts at `home`.
        certificate_scheme: `bls12381` or `ed25519`, as the genesis document has it.
        tables: option objects of `ledger.node.config` by table name, where they differ from the
            defaults.

    Raises:
        NodeError: VALIDATOR_ID_INVALID, SCHEME_UNKNOWN, HOME_EXISTS, KEY_EXISTS. Nothing is changed then.
    """
    if not is_validator_id(validator_id):
        raise usage_error(
            "VALIDATOR_ID_INVALID",
            f"{validator_id!r} is no validator id",
            "Use 1 to 32 of a-z, 0-9 and hyphen.",
        )
    if (home / CONFIG_FILE).exists():
        raise usage_error(
            "HOME_EXISTS", f"{home} is a node's home already", "Choose another directory."
        )
    get_vote_key_type(certificate_scheme)  # raises
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = create_validator_keys(home, certificate_scheme)
    text = encode_config(NodeOptions(id=validator_id, genesis=genesis), **tables)
    write_new_file(home / CONFIG_FILE, text.encode())
    validator = Validator(
        id=validator_id,
        organisation=organisation,
        vote_key_type=keys.vote.key_type,
        vote_key=keys.vote.public_key,
        vote_possession=prove_possession(keys.vote),
        peer_key=keys.peer.public_key,
        tls_certificate=create_ca_certificate(keys.tls, validator_id),
    )
    write_new_file(home / VALIDATOR_FILE, encode(validator))
    return validator


def read_validator(home: Path) -> Validator | None:
    """The record that was made with a home; None where there is none. Raises NodeError."""
    path = home / VALIDATOR_FILE
    try:
        with path.open("rb") as file:
            data = file.read(VALIDATOR_SIZE_MAX + 1)
    except FileNotFoundError:
        return None
    try:
        return decode(Validator, data, size_max=VALIDATOR_SIZE_MAX)
    except EncodingError as error:
        raise usage_error(
            "VALIDATOR_FILE", f"{path}: {error}", "Put the file back that was made with the home."
        ) from None
