# SPDX-License-Identifier: Apache-2.0
"""The organisations of a development network: their names, their keys, their self-signed requests."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ledger.model.codec import encode
from ledger.model.genesis import GenesisOrganisation
from ledger.model.hashes import request_message
from ledger.model.keyfile import (
    SECRET_SIZE,
    PrivateKey,
    encode_key_file,
    generate_private_key,
)
from ledger.model.keys import KeyRole, KeyType
from ledger.model.operations import KeyEntry, KeySignature, OrganisationRequest
from ledger.node.keys import write_new_file

ORGANISATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "saqa": ("South African Qualifications Authority (sample)", "authority"),
    "che": ("Council on Higher Education (sample)", "quality-council"),
    "umalusi": ("Umalusi (sample)", "quality-council"),
    "qcto": ("Quality Council for Trades and Occupations (sample)", "quality-council"),
}
"""Name and type of a development network's organisations by short name; validators in this order."""

KEY_ROLES: Final = (KeyRole.ADMIN, KeyRole.LEDGER, KeyRole.ISSUE)


def create_organisation(
    directory: Path, network: str, short_name: str, full_name: str, organisation_type: str
) -> GenesisOrganisation:
    """Make an organisation's keys in `directory`, which must not exist, and its request."""
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
