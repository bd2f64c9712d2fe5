# SPDX-License-Identifier: Apache-2.0
"""One fixed chain with every operation, refusals among them, and what executing it gives.

`make_chain` builds it; `execute_chain` runs it from its bytes alone. As a program it reads a chain
from standard input and prints the roots of every block::

    python -m tests.support.ledger_chain [--pure] < chain.json

`--pure` runs where neither protobuf nor libsodium is installed: the strict codec is used throughout
and Ed25519 is verified by the arithmetic of RFC 8032 in Python. Both are slower and equal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any


def make_chain() -> dict[str, Any]:
    """Genesis and blocks in base 16, as JSON."""
    from ledger.model.codec import encode
    from ledger.model.genesis import encode_genesis
    from tests.support.ledger_chain_story import tell

    world = tell()
    return {
        "genesis": encode_genesis(world.genesis).hex(),
        "blocks": [
            {
                "header": encode(header).hex(),
                "transactions": [transaction.hex() for transaction in transactions],
            }
            for header, transactions in world.blocks
        ],
    }


def execute_chain(chain: dict[str, Any]) -> list[list[str]]:
    """State root, receipts root and receipt codes of height 0 and of every block."""
    from hashlib import sha256

    from ledger.model.block import BlockHeader
    from ledger.model.codec import decode
    from ledger.model.genesis import decode_genesis
    from ledger.model.transaction_check import check_transaction
    from ledger.state import tree
    from ledger.state.machine import compute_genesis_writes, execute_block
    from tests.support.memory_state import MemoryState

    class Nodes:
        def __init__(self) -> None:
            self.stored: dict[bytes, bytes] = {}

        def get_node(self, node_key: bytes) -> bytes | None:
            return self.stored.get(node_key)

    nodes, state = Nodes(), MemoryState()
    version: int | None = None

    def write(height: int, writes: Sequence[tuple[bytes, bytes | None]]) -> str:
        nonlocal version
        changes = [
            (sha256(key).digest(), None if value is None else sha256(value).digest())
            for key, value in writes
        ]
        update = tree.update(nodes, version, height, changes)
        nodes.stored.update(update.new_nodes)
        version = height
        return update.root_hash.hex()

    genesis = decode_genesis(bytes.fromhex(chain["genesis"]))
    writes = compute_genesis_writes(genesis)
    state.values.update(writes)
    lines = [[write(0, writes), "", ""]]
    for block in chain["blocks"]:
        header = decode(BlockHeader, bytes.fromhex(block["header"]))
        transactions = [
            check_transaction(bytes.fromhex(item), chain_id=header.chain_id)
            for item in block["transactions"]
        ]
        result = execute_block(state, header, transactions)
        state.write(result)
        codes = ",".join(str(receipt.code) for receipt in result.receipts)
        lines.append([write(header.height, result.writes), result.receipts_root.hex(), codes])
    return lines


def use_pure_python() -> None:
    """Stand in for protobuf, libsodium and the checks of genesis that need other libraries."""
    from importlib import import_module
    from types import ModuleType

    from tests.support import pure_ed25519

    bindings: Any = ModuleType("nacl.bindings")
    bindings.has_crypto_core_ed25519 = True
    bindings.crypto_core_ed25519_is_valid_point = pure_ed25519.is_valid_point
    exceptions: Any = ModuleType("nacl.exceptions")
    exceptions.BadSignatureError = pure_ed25519.BadSignatureError
    bindings.crypto_sign_open = pure_ed25519.open_signed
    sys.modules["nacl"] = ModuleType("nacl")
    sys.modules["nacl.bindings"] = bindings
    sys.modules["nacl.exceptions"] = exceptions

    from ledger.model import wire

    codec: Any = ModuleType("ledger.model.codec")
    codec.encode = wire.encode_strict

    def decode(cls: type[Any], data: bytes, *, size_max: int = 2**23) -> Any:
        return wire.decode_strict(cls, data, size_max=size_max)

    codec.decode = decode
    sys.modules["ledger.model.codec"] = codec

    # BLS vote keys and TLS certificates need pairings and X.509.
    genesis: Any = import_module("ledger.model.genesis")
    genesis.check_validators = _accept
    validator_form: Any = import_module("ledger.model.validator_form")
    validator_form.check_tls_certificate = _accept


def _accept(*_arguments: object) -> None:
    return None


def main() -> None:
    """Execute the chain on standard input."""
    if "--pure" in sys.argv[1:]:
        use_pure_python()
    json.dump(execute_chain(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
