# SPDX-License-Identifier: Apache-2.0
"""What this machine can do at most: the limits beside which every figure is printed.

| limit | one operation |
|---|---|
| ed25519-verify | libsodium, a message of 56 bytes (what a transaction's signer signs); processor time |
| ed25519-sign | OpenSSL, the same message; processor time |
| bls-verify, bls-sign | BLS12-381, a vote of 200 bytes, one key; processor time |
| sha256-65 | SHA-256 of 65 bytes, about one node of a hash tree; processor time |
| fsync, fdatasync | 256 bytes appended to a file and synced, in the directory of the stores; wall |
| leveldb-batch-100 | one synced batch of 100 pairs (32 bytes, 256 bytes); wall |
| fdatasync-block | 2 KB appended and synced: about a block of one operation of 1 KB; wall |
| grpc-unary | 1 KB there and back over loopback, one call at a time, no TLS; wall |
| grpc-unary-64 | the same with 64 calls under way: wall time ÷ calls |
| write-floor | what one validator cannot leave out for one certified write: grpc-unary + 3 fdatasync + ed25519-verify + bls-sign + bls-verify |
| order-floor-bls12381, order-floor-ed25519 | the order of one write among several validators: 3 fdatasync-block + 3 grpc-unary + one vote signed + one certificate verified |

All but the slow ones (BLS) are measured again before each workload and after the last, and pooled: a
machine whose speed drifts, or that others use too, is the same machine on both sides of a ratio.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, cast

import grpc
import grpc.aio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

from benchmarks.echo import ECHO_METHOD
from benchmarks.machine import ROOT
from benchmarks.results import Figure
from benchmarks.timing import Clock, Effort, sample, summarise
from ledger.model import bls
from ledger.model.hashes import transaction_message, vote_message

ED25519_VERIFY: Final = "ed25519-verify"
ED25519_SIGN: Final = "ed25519-sign"
BLS_VERIFY: Final = "bls-verify"
BLS_SIGN: Final = "bls-sign"
SHA256_65: Final = "sha256-65"
FSYNC: Final = "fsync"
FDATASYNC: Final = "fdatasync"
LEVELDB_BATCH: Final = "leveldb-batch-100"
GRPC_UNARY: Final = "grpc-unary"
GRPC_UNARY_64: Final = "grpc-unary-64"
FDATASYNC_BLOCK: Final = "fdatasync-block"
WRITE_FLOOR: Final = "write-floor"
ORDER_FLOOR_BLS: Final = "order-floor-bls12381"
ORDER_FLOOR_ED25519: Final = "order-floor-ed25519"
CONTENTION: Final = "contention"
"""No limit: how much of a processor others take."""

WRITE_FLOOR_PARTS: Final = {
    GRPC_UNARY: 1,
    FDATASYNC: 3,
    ED25519_VERIFY: 1,
    BLS_SIGN: 1,
    BLS_VERIFY: 1,
}
"""How often one certified write through one validator needs each: the log entry with the proposal,
the vote record, and the certificate with its state are synced one after the other; the vote is signed
and the certificate verified."""

FLOORS: Final[Mapping[str, Mapping[str, int]]] = {
    WRITE_FLOOR: WRITE_FLOOR_PARTS,
    ORDER_FLOOR_BLS: {FDATASYNC_BLOCK: 3, GRPC_UNARY: 3, BLS_SIGN: 1, BLS_VERIFY: 1},
    ORDER_FLOOR_ED25519: {FDATASYNC_BLOCK: 3, GRPC_UNARY: 3, ED25519_SIGN: 1, ED25519_VERIFY: 2},
}
"""The sums of other limits, and how often each part is in them.

Among several validators the log entry, the vote record and the certified block are synced one after
the other; the client's call, the entry to the followers and back, and the votes are a round trip each,
here plain unary calls. A certificate of `bls12381` is one signature for as many as signed (adding up
their keys is left out), one of `ed25519` as many as a quorum: two, of three validators.
"""

APPEND_SIZE: Final = 256
BLOCK_RECORD_SIZE: Final = 2048
"""About the log entry of a block of one operation of 1 KB."""
BATCH_COUNT: Final = 100
CALL_SIZE: Final = 1024
CALLS_AT_ONCE: Final = 64

_UNIT_SECONDS: Final = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}


class Limits:
    """Seconds of one operation, by limit; samples are pooled over the run. Close it."""

    def __init__(self, directory: Path, effort: Effort, seed: int) -> None:
        """`directory` is where the stores of the workloads are; `seed` makes the inputs."""
        self._directory = directory
        self._effort = effort
        self._samples: dict[str, list[float]] = {}
        self._computations = _make_computations(random.Random(seed))
        self._stack = contextlib.ExitStack()
        self._echo_address = ""

    def __enter__(self) -> Self:
        name = tempfile.TemporaryDirectory(prefix="limits-", dir=self._directory)
        self._directory = Path(self._stack.enter_context(name))
        self._echo_address = self._stack.enter_context(echo_server())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure_all(self) -> None:
        """Measure every limit once."""
        for name, operation in _make_slow_computations().items():
            self._extend(name, sample(operation, _nothing, self._effort))
        self.probe(self._effort)

    def probe(self, effort: Effort | None = None) -> None:
        """Measure again, shortly, what may have changed."""
        effort = effort or _PROBE
        for name, operation in self._computations.items():
            self._extend(name, sample(operation, _nothing, effort))
        self._extend(CONTENTION, _sample_contention(self._computations[ED25519_VERIFY]))
        self._measure_disk(effort)
        self._measure_calls(effort)

    def seconds(self, name: str) -> float:
        """Seconds of one operation. Raises KeyError for an unknown limit."""
        if name in FLOORS:
            return sum(self.seconds(part) * count for part, count in FLOORS[name].items())
        return statistics.median(self._samples[name])

    @property
    def contention(self) -> float:
        """Wall time ÷ processor time of something that only computes: 1 on a machine of its own."""
        return statistics.median(self._samples[CONTENTION])

    def value(self, name: str, unit: str, count: int = 1) -> float:
        """A limit in the unit of a result: time for `count` operations, or operations a second."""
        seconds = self.seconds(name) * count
        return 1 / seconds if unit.endswith("/s") else seconds * _UNIT_SECONDS[unit]

    def figures(self) -> Iterator[Figure]:
        """The limits themselves, as durations of one operation."""
        for name, samples in self._samples.items():
            if name != CONTENTION:
                yield Figure("limit", name, summarise(samples).scaled(1e6), "µs")
        for name in FLOORS:
            yield Figure("limit", name, self.seconds(name) * 1e6, "µs")

    def _extend(self, name: str, samples: Sequence[float]) -> None:
        self._samples.setdefault(name, []).extend(samples)

    def _measure_disk(self, effort: Effort) -> None:
        record = random.Random(0).randbytes(BLOCK_RECORD_SIZE)
        fdatasync = getattr(os, "fdatasync", os.fsync)
        for name, sync, size in (
            (FSYNC, os.fsync, APPEND_SIZE),
            (FDATASYNC, fdatasync, APPEND_SIZE),
            (FDATASYNC_BLOCK, fdatasync, BLOCK_RECORD_SIZE),
        ):
            descriptor = os.open(self._directory / name, _APPEND, 0o600)
            try:

                def append(
                    _: None,
                    descriptor: int = descriptor,
                    sync: Callable[[int], object] = sync,
                    appended: bytes = record[:size],
                ) -> None:
                    os.write(descriptor, appended)
                    sync(descriptor)

                self._extend(name, sample(append, _nothing, effort, Clock.WALL))
            finally:
                os.close(descriptor)
        self._extend(LEVELDB_BATCH, _sample_leveldb(self._directory / "leveldb", effort))

    def _measure_calls(self, effort: Effort) -> None:
        payload = bytes(CALL_SIZE)
        with grpc.insecure_channel(self._echo_address) as channel:
            call: Any = cast("Any", channel).unary_unary(ECHO_METHOD)

            def once(_: None) -> None:
                call(payload, timeout=30)

            self._extend(GRPC_UNARY, sample(once, _nothing, effort, Clock.WALL))
        parallel = asyncio.run(_sample_parallel_calls(self._echo_address, effort))
        self._extend(GRPC_UNARY_64, parallel)


_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_PROBE: Final = Effort(samples_count=3, sample_s=0.02)


def _nothing(count: int) -> list[None]:
    return [None] * count


def _sample_contention(operation: Callable[[None], object]) -> list[float]:
    """Of runs of about 10 ms; the first warms up."""
    ratios: list[float] = []
    for _ in range(4):
        wall_ns, cpu_ns = Clock.WALL.read_ns(), Clock.CPU.read_ns()
        for _ in range(200):
            operation(None)
        cpu_ns = Clock.CPU.read_ns() - cpu_ns
        ratios.append((Clock.WALL.read_ns() - wall_ns) / cpu_ns)
    return ratios[1:]


def _make_computations(generator: random.Random) -> dict[str, Callable[[None], object]]:
    """The quick limits that only compute."""
    public_key, secret_key = crypto_sign_seed_keypair(generator.randbytes(32))
    message = transaction_message(generator.randbytes(32))
    signed = crypto_sign(message, secret_key)
    openssl_key = Ed25519PrivateKey.from_private_bytes(generator.randbytes(32))
    node = generator.randbytes(65)
    return {
        ED25519_VERIFY: lambda _: crypto_sign_open(signed, public_key),
        ED25519_SIGN: lambda _: openssl_key.sign(message),
        SHA256_65: lambda _: hashlib.sha256(node).digest(),
    }


def _make_slow_computations() -> dict[str, Callable[[None], object]]:
    secret = bls.generate_secret(bytes(range(32)))
    public_key = bls.secret_to_public(secret)
    message = vote_message(bytes(200))
    signature = bls.sign(secret, message)
    if not bls.verify(public_key, message, signature):
        raise AssertionError("the signature that is timed is good")
    return {
        BLS_VERIFY: lambda _: bls.verify(public_key, message, signature),
        BLS_SIGN: lambda _: bls.sign(secret, message),
    }


def _sample_leveldb(directory: Path, effort: Effort) -> list[float]:
    import plyvel as untyped  # pyright: ignore[reportMissingTypeStubs]

    plyvel: Any = untyped
    generator = random.Random(0)

    def make_batches(count: int) -> list[list[tuple[bytes, bytes]]]:
        return [
            [(generator.randbytes(32), generator.randbytes(256)) for _ in range(BATCH_COUNT)]
            for _ in range(count)
        ]

    store: Any = plyvel.DB(str(directory), create_if_missing=True, compression=None)
    try:

        def write(pairs: list[tuple[bytes, bytes]]) -> None:
            with store.write_batch(sync=True) as batch:
                for key, value in pairs:
                    batch.put(key, value)

        return sample(write, make_batches, effort, Clock.WALL)
    finally:
        store.close()


async def _sample_parallel_calls(address: str, effort: Effort) -> list[float]:
    payload = bytes(CALL_SIZE)
    samples: list[float] = []
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = cast("Any", channel).unary_unary(ECHO_METHOD)

        async def caller(count: int) -> None:
            for _ in range(count):
                await call(payload, timeout=30)

        count = 4
        for _ in range(effort.samples_count + 1):
            begin_s = time.perf_counter()
            await asyncio.gather(*(caller(count) for _ in range(CALLS_AT_ONCE)))
            duration_s = time.perf_counter() - begin_s
            samples.append(duration_s / (count * CALLS_AT_ONCE))
            count = max(4, min(10_000, int(count * effort.sample_s / duration_s)))
    return samples[1:]  # the first warms up


@contextlib.contextmanager
def echo_server() -> Generator[str]:
    """A gRPC server in a process of its own that answers with what it is sent; its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.echo"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both pipes were asked for")
        try:
            port = process.stdout.readline().strip()
            if not port.isdigit():
                raise RuntimeError("the echo server did not start")
            yield f"127.0.0.1:{port}"
        finally:
            process.stdin.close()  # it ends with its standard input
            process.wait(timeout=10)
