# SPDX-License-Identifier: Apache-2.0
"""Seeded inputs of the workloads: transactions with operations of 1 KB.

Organisations and texts are samples: no real organisation signed any of this.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger.model.codec import encode
from ledger.model.hashes import compute_transaction_id, transaction_message
from ledger.model.limits import STATUS_LIST_SIZE_MIN
from ledger.model.operations import (
    PublishResource,
    ResourceType,
    UpdateStatusList,
)
from ledger.model.transaction import Operation, Signer, Transaction, TransactionBody
from tests.support.ledger_world import TestOrganisation

OPERATION_SIZE: Final = 1024
"""Bytes of an operation's canonical encoding: the 1 KB of the workloads."""

LIFETIME_MS: Final = 12 * 3_600_000
"""From a block's time to the expiry of the transactions made for it; at most 24 h are allowed."""

CHUNK_ENTRIES_COUNT: Final = 8192
"""Entries of one bit in a chunk of a status list."""

WORDS: Final = (
    "accreditation",
    "artisan",
    "award",
    "credit",
    "curriculum",
    "electrician",
    "evidence",
    "knowledge",
    "learner",
    "module",
    "outcome",
    "practical",
    "qualification",
    "safety",
    "training",
    "workplace",
)


@dataclass(frozen=True, slots=True)
class SampleTransaction:
    """A signed transaction and its body."""

    encoded: bytes
    body: TransactionBody
    transaction_id: bytes


@dataclass(frozen=True, slots=True)
class Author:
    """An organisation with the key that submits."""

    did: str
    signer: Signer
    sign: Callable[[bytes], bytes]


def as_author(organisation: TestOrganisation) -> Author:
    """An organisation of the tests with its ledger key."""
    return Author(organisation.did, organisation.signer(), organisation.keys["ledger"].sign)


def sign_transaction(
    author: Author, operation: Operation, *, chain_id: str, expires_at: int, idempotency_key: bytes
) -> SampleTransaction:
    """A transaction of one operation, signed by its author alone."""
    body = TransactionBody(
        chain_id=chain_id,
        author=author.did,
        signers=(author.signer,),
        idempotency_key=idempotency_key,
        expires_at=expires_at,
        operation=operation,
    )
    encoded = encode(body)
    transaction_id = compute_transaction_id(encoded)
    signature = author.sign(transaction_message(transaction_id))
    return SampleTransaction(encode(Transaction(encoded, (signature,))), body, transaction_id)


def make_publication(generator: random.Random, name: str) -> PublishResource:
    """The first version of a display bundle: an operation of OPERATION_SIZE bytes.

    Executed, it writes six keys: the resource, its name, the version under the name, the list of
    all resources of the type and the entry there, the idempotency record.
    """
    resource_id = generator.randbytes(16)
    phrases = [" ".join(generator.choices(WORDS, k=4)) for _ in range(24)]

    def build(size: int) -> PublishResource:
        content = _bundle(phrases, size)
        return PublishResource(
            resource_id=resource_id,
            name=name,
            type=ResourceType.DISPLAY_BUNDLE,
            media_type="application/json",
            content=content,
            checksum=sha256(content).digest(),
        )

    return _fit(build)


def make_status_update(
    generator: random.Random, owner: str, list_id: bytes, base_version: int
) -> UpdateStatusList:
    """New values for entries in one chunk of a list: an operation of OPERATION_SIZE bytes or, as an
    entry takes several, a few less.

    Executed, it writes four keys: the list, the update under it, the chunk, the idempotency record.
    The values are drawn, so the list must be one whose entries may be set and cleared.
    """
    chunk = generator.randrange(STATUS_LIST_SIZE_MIN // CHUNK_ENTRIES_COUNT)
    first = chunk * CHUNK_ENTRIES_COUNT
    indexes = sorted(generator.sample(range(first, first + CHUNK_ENTRIES_COUNT), 512))
    values = bytes(generator.choices(range(2), k=len(indexes)))
    count = (
        bisect_right(
            range(len(indexes)),
            OPERATION_SIZE,
            key=lambda count: len(
                encode(
                    UpdateStatusList(
                        owner, list_id, base_version, tuple(indexes[:count]), values[:count]
                    )
                )
            ),
        )
        - 1
    )
    return UpdateStatusList(owner, list_id, base_version, tuple(indexes[:count]), values[:count])


def _bundle(phrases: list[str], size: int) -> bytes:
    """A display bundle of so many bytes: whole labels, and one that fills the rest."""
    labels: dict[str, str] = {"last": ""}
    for position, phrase in enumerate(phrases):
        longer = {f"label-{position}": phrase, **labels}
        if len(_encode_bundle(longer)) > size:
            break
        labels = longer
    labels["last"] = "x" * (size - len(_encode_bundle(labels)))
    return _encode_bundle(labels)


def _encode_bundle(labels: dict[str, str]) -> bytes:
    return json.dumps({"languages": {"en": labels}}, separators=(",", ":")).encode()


def _fit(build: Callable[[int], PublishResource]) -> PublishResource:
    """The operation whose encoding has OPERATION_SIZE bytes."""
    content_size = OPERATION_SIZE
    for _ in range(4):  # the length of the length settles at once
        operation = build(content_size)
        excess = len(encode(operation)) - OPERATION_SIZE
        if excess == 0:
            return operation
        content_size -= excess
    raise AssertionError("a content of the right size exists")
