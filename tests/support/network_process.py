# SPDX-License-Identifier: Apache-2.0
"""A development network of one validator as a real process, and a raw client of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio

from ledger.model.codec import encode
from ledger.model.genesis import Genesis, organisation_did
from ledger.model.hashes import compute_transaction_id, transaction_message
from ledger.model.keyfile import decode_key_file
from ledger.model.operations import PublishResource, ResourceType
from ledger.model.transaction import Signer, Transaction, TransactionBody
from ledger.model.verification import (
    VerifiedTransaction,
    decode_transaction_proof,
    make_trust_root,
    verify_transaction_proof,
)
from ledger.node.config import TestingOptions, encode_config, load_config
from ledger.node.dev_network import create_network
from psetledger.v1 import services_pb2 as messages
from tests.support.api_client import call, connected

_T = TypeVar("_T")


class NetworkProcess:
    """A network directory; `ledger.node.dev_network` starts and stops it."""

    def __init__(self, directory: Path, *, storage: str = "leveldb") -> None:
        self.directory = directory
        self.genesis: Genesis = create_network(directory, storage=storage)
        self.trust = make_trust_root(self.genesis)
        self.chain_id = self.genesis.chain_id
        self.author = organisation_did(self.genesis, self.genesis.organisations[0])
        data = (directory / "keys" / "saqa" / "ledger.key").read_bytes()
        self.key = decode_key_file(data, None)

    @property
    def home(self) -> Path:
        return self.directory / "n1"

    def configure_crash(self, place: str, height: int) -> None:
        """Let the next run of the node kill itself; an empty place takes it back."""
        config = load_config(self.home)
        text = encode_config(
            config.node,
            api=config.api,
            storage=config.storage,
            testing=TestingOptions(place, height),
        )
        (self.home / "config.toml").write_text(text)

    def transaction(self, number: int) -> bytes:
        """A signed transaction that publishes a schema; equal for equal numbers, for an hour."""
        content = json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
        ).encode()
        name = f"schema-{number}"
        operation = PublishResource(
            resource_id=sha256(name.encode()).digest()[:16],
            name=name,
            type=ResourceType.JSON_SCHEMA,
            media_type="application/json",
            content=content,
            checksum=sha256(content).digest(),
        )
        signer = Signer(
            did=self.author,
            key_id=self.key.key_id,
            type=self.key.key_type,
            public_key=self.key.public_key,
        )
        body = encode(
            TransactionBody(
                chain_id=self.chain_id,
                author=self.author,
                signers=(signer,),
                idempotency_key=sha256(b"key" + name.encode()).digest()[:16],
                expires_at=(int(time.time()) // 3600 + 2) * 3_600_000,
                operation=operation,
            )
        )
        signature = self.key.sign(transaction_message(compute_transaction_id(body)))
        return encode(Transaction(body=body, signatures=(signature,)))

    async def submit(self, channel: grpc.aio.Channel, number: int) -> VerifiedTransaction:
        """Submit, wait for the certificate, verify the proof."""
        request = messages.SubmitRequest(transaction=self.transaction(number))
        data = await call(channel, "LedgerService/Submit", request.SerializeToString())
        answer = messages.SubmitResponse.FromString(data)
        proof = decode_transaction_proof(answer.proof)
        return verify_transaction_proof(proof, answer.transaction_id, self.trust)

    async def state_root(self, channel: grpc.aio.Channel) -> tuple[int, bytes]:
        """Height and state root as the node says."""
        data = await call(channel, "NodeService/GetStatus", b"")
        status = messages.GetNodeStatusResponse.FromString(data)
        return status.height, status.state_root

    def talk(self, conversation: Callable[[grpc.aio.Channel], Awaitable[_T]]) -> _T:
        """Run a conversation with the node."""

        async def main() -> _T:
            port = load_config(self.home).listen_address[1]
            certificate = self.genesis.validators[0].tls_certificate
            async with connected(port, certificate) as channel:
                return await conversation(channel)

        return asyncio.run(main())

    def submit_all(self, numbers: Sequence[int]) -> dict[int, VerifiedTransaction]:
        """Submit at once; what was acknowledged, the rest is left out."""

        async def conversation(channel: grpc.aio.Channel) -> dict[int, VerifiedTransaction]:
            answers = await asyncio.gather(
                *(self.submit(channel, number) for number in numbers), return_exceptions=True
            )
            pairs = zip(numbers, answers, strict=True)
            return {n: a for n, a in pairs if isinstance(a, VerifiedTransaction)}

        return self.talk(conversation)
