# SPDX-License-Identifier: Apache-2.0
"""The state tree in memory, with 10⁴ and 10⁶ keys (10⁴ and 10⁵ with `--quick`).

- `update-per-key`: batches of 500 and of 1 that set existing and new keys in equal parts, on a tree
  that grows a little with each; time of a batch ÷ its keys. Nodes are kept in a dictionary, so this
  is hashing and node handling without the store.
- `get-proof`, `verify-proof`: of present keys; `proof-size`: bytes of the canonical proof.

Key and value hashes are drawn with the seed. Processor time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.limits import SHA256_65
from benchmarks.results import Figure
from benchmarks.timing import measure_each, summarise
from benchmarks.workload import Context
from ledger.model.codec import encode
from ledger.model.state_proof import verify_hashed_inclusion
from ledger.state.tree import TreeUpdate, get_proof, update

NAME = "tree"
BATCHES = (500, 1)
BUILD_BATCH = 5_000

Changes = Sequence[tuple[bytes, bytes | None]]


@dataclass
class GrownTree:
    """A tree in a dictionary, with the keys it holds."""

    generator: random.Random
    nodes: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    leaves: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    keys: list[bytes] = field(default_factory=list[bytes])
    version: int = 0
    root: bytes = b""

    def get_node(self, node_key: bytes) -> bytes | None:
        return self.nodes.get(node_key)

    def grow(self, count: int) -> None:
        """Add so many new keys."""
        while len(self.keys) < count:
            self.apply(self.draw_new(min(BUILD_BATCH, count - len(self.keys))))

    def draw_new(self, count: int) -> list[tuple[bytes, bytes]]:
        return [(self.generator.randbytes(32), self.generator.randbytes(32)) for _ in range(count)]

    def draw_mixed(self, count: int) -> list[tuple[bytes, bytes]]:
        """Half of them keys that are there already; a batch of one alternates by chance."""
        known_count = count // 2 if count > 1 else self.generator.randrange(2)
        known = self.generator.sample(self.keys, known_count)
        return [(key, self.generator.randbytes(32)) for key in known] + self.draw_new(
            count - known_count
        )

    def apply(self, changes: Sequence[tuple[bytes, bytes]]) -> TreeUpdate:
        """Set leaves and take the new version."""
        updated = update(self, self.version or None, self.version + 1, changes)
        self.nodes.update(updated.new_nodes)
        for node_key in updated.stale_node_keys:
            del self.nodes[node_key]
        self.version += 1
        self.root = updated.root_hash
        self.keys.extend(key for key, _ in changes if key not in self.leaves)
        self.leaves.update(changes)
        return updated


def run(context: Context) -> Iterator[Figure]:
    """Measure the tree at two sizes."""
    tree = GrownTree(random.Random(context.seed))
    for count in (10_000, 100_000 if context.is_quick else 1_000_000):
        context.note(f"a tree of {count:,} keys")
        tree.grow(count)
        yield from _measure_updates(context, tree, count)
        yield from _measure_proofs(context, tree, count)


def _measure_updates(context: Context, tree: GrownTree, keys_count: int) -> Iterator[Figure]:
    for batch in BATCHES:

        def change(changes: Changes) -> None:
            update(tree, tree.version, tree.version + 1, changes)

        def draw(count: int, batch: int = batch) -> list[list[tuple[bytes, bytes]]]:
            return [tree.draw_mixed(batch) for _ in range(count)]

        measured = measure_each(change, draw, context.effort).scaled(1e6 / batch)
        parameters = {"keys": keys_count, "batch": batch}
        yield Figure(NAME, "update-per-key", measured, "µs", parameters, SHA256_65)
        updates = [tree.apply(tree.draw_mixed(batch)) for _ in range(20)]
        written = summarise(
            [
                sum(len(key) + len(node) for key, node in updated.new_nodes) / batch
                for updated in updates
            ]
        )
        yield Figure(NAME, "node-bytes-per-key", written, "B", parameters)


def _measure_proofs(context: Context, tree: GrownTree, keys_count: int) -> Iterator[Figure]:
    parameters = {"keys": keys_count}

    def draw_keys(count: int) -> list[bytes]:
        return tree.generator.choices(tree.keys, k=count)

    measured = measure_each(
        lambda key: get_proof(tree, tree.version, key), draw_keys, context.effort
    )
    yield Figure(NAME, "get-proof", measured.scaled(1e6), "µs", parameters, SHA256_65)

    proofs = {key: get_proof(tree, tree.version, key) for key in draw_keys(500)}

    def verify(key: bytes) -> None:
        verify_hashed_inclusion(tree.root, key, tree.leaves[key], proofs[key])

    proven = list(proofs)
    measured = measure_each(
        verify, lambda count: (proven * (count // len(proven) + 1))[:count], context.effort
    )
    yield Figure(NAME, "verify-proof", measured.scaled(1e6), "µs", parameters, SHA256_65)
    sizes = summarise([len(encode(proof)) for proof in proofs.values()])
    yield Figure(NAME, "proof-size", sizes, "B", parameters)
