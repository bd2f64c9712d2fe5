# SPDX-License-Identifier: Apache-2.0
"""Validators that come and go on a `LedgerWorld`: the operations, and worlds to try them on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ledger.model.codec import encode
from ledger.model.hashes import activation_message, compute_block_hash
from ledger.model.operations import ActivateValidator, AdmitValidator
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Operation
from tests.support.ledger_execution import LedgerWorld
from tests.support.ledger_world import make_genesis, make_validator, vote_private_key

ADMIN = ["admin"]
"""The keys with which validators are changed."""
ADDRESS = "n9.example:7052"


@lru_cache(maxsize=8)
def _begin(names: tuple[str, ...], fault_model: str, certificate_scheme: str) -> LedgerWorld:
    genesis = make_genesis(
        validators=names, fault_model=fault_model, certificate_scheme=certificate_scheme
    )
    return LedgerWorld(genesis)


def make_membership_world(
    *names: str, fault_model: str = "crash", certificate_scheme: str = "ed25519"
) -> LedgerWorld:
    """A world with these validators; they belong to saqa, che, umalusi, qcto, saqa …"""
    return _begin(names or ("n1", "n2"), fault_model, certificate_scheme).fork()


def scheme_of(world: LedgerWorld) -> str:
    return world.genesis.certificate_scheme


def admission(world: LedgerWorld, validator_id: str, organisation: str) -> AdmitValidator:
    """Of a validator with keys of its own."""
    validator = make_validator(
        validator_id, world.did(organisation), certificate_scheme=scheme_of(world)
    )
    return AdmitValidator(validator, ADDRESS)


def admit(world: LedgerWorld, validator_id: str, organisation: str) -> None:
    """The authority admits it, and one more block lets it name the block of its admission."""
    world.apply("saqa", admission(world, validator_id, organisation), keys=ADMIN)
    world.run_block([])


def replace_validator(world: LedgerWorld, validator_id: str, replaces: str = "") -> None:
    """Admit a validator of saqa's and let it take another's place, or come to the others; then two
    blocks, of which the second is certified by the new set.
    """
    admit(world, validator_id, "saqa")
    world.apply("saqa", activation(world, validator_id, replaces=replaces), keys=ADMIN)
    world.run_block([])
    world.run_block([])


def activation(world: LedgerWorld, validator_id: str, **changes: Any) -> ActivateValidator:
    """Of a learner that has the newest block; what is changed is signed, but the signature."""
    fields: dict[str, Any] = {
        "height": world.header.height,
        "block_hash": compute_block_hash(encode(world.header)),
        "replaces": "",
        **changes,
    }
    chain_id = fields.pop("chain_id", world.chain_id)
    signer = fields.pop("signer", validator_id)
    message = activation_message(chain_id, validator_id, fields["height"], fields["block_hash"])
    signature = vote_private_key(signer, scheme_of(world)).sign(message)
    arguments: dict[str, Any] = {"signature": signature, **fields}
    return ActivateValidator(validator_id, **arguments)


def refuse(
    world: LedgerWorld, code: ReceiptCode, author: str, operation: Operation, field: str
) -> str:
    """Refuse what an admin key asks, with a code and at a place; the detail."""
    results = world.refuse(code, author, operation, keys=ADMIN)
    assert results["field"] == field
    return results.get("detail", "")
