# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

from ledger.storage.kv import WriteBatch
from ledger.storage.memory import MemoryStore


def batch(*operations: tuple[bytes, bytes | None]) -> WriteBatch:
    made = WriteBatch()
    for key, value in operations:
        if value is None:
            made.delete(key)
        else:
            made.put(key, value)
    return made


def content(store: MemoryStore) -> list[tuple[bytes, bytes]]:
    return list(store.iterate(b"", b"\xff"))


def test_reads_what_was_written_in_order() -> None:
    store = MemoryStore()
    store.write(batch((b"b", b"2"), (b"a", b"1"), (b"c", b"3"), (b"b", None)), sync=True)
    assert store.get(b"a") == b"1"
    assert store.get(b"b") is None
    assert store.multi_get([b"c", b"b", b"a"]) == [b"3", None, b"1"]
    assert content(store) == [(b"a", b"1"), (b"c", b"3")]
    assert list(store.iterate(b"a", b"c", reverse=True)) == [(b"a", b"1")]
    assert list(store.iterate(b"", b"\xff", reverse=True)) == [(b"c", b"3"), (b"a", b"1")]


def test_a_batch_knows_its_size() -> None:
    assert batch((b"ab", b"123"), (b"c", None)).size_bytes == 6


def test_crash_loses_what_was_not_synced() -> None:
    store = MemoryStore()
    store.write(batch((b"a", b"1"), (b"b", b"1")), sync=True)
    store.write(batch((b"a", b"2"), (b"c", b"1")), sync=False)
    store.write(batch((b"a", None), (b"b", b"2"), (b"b", b"3")), sync=False)
    store.crash()
    assert content(store) == [(b"a", b"1"), (b"b", b"1")]


def test_crash_may_keep_the_first_of_the_unsynced() -> None:
    store = MemoryStore()
    store.write(batch((b"a", b"1")), sync=False)
    store.write(batch((b"a", b"2")), sync=False)
    store.crash(kept_count=1)
    assert content(store) == [(b"a", b"1")]


def test_sync_saves_everything_before_it() -> None:
    store = MemoryStore()
    store.write(batch((b"a", b"1")), sync=False)
    store.write(batch((b"b", b"1")), sync=True)
    store.crash()
    assert content(store) == [(b"a", b"1"), (b"b", b"1")]


def test_an_iteration_survives_writes() -> None:
    store = MemoryStore()
    store.write(batch(*((bytes((n,)), b"x") for n in range(10))), sync=True)
    seen: list[bytes] = []
    for key, _ in store.iterate(b"", b"\xff"):
        seen.append(key)
        store.write(batch((bytes((key[0] + 100,)), b"y"), (bytes((9 - key[0],)), None)), sync=True)
        list(store.iterate(b"", b"\xff"))
    assert seen == [bytes((n,)) for n in range(5)]


def test_equals_a_dictionary() -> None:
    rng = random.Random(1)
    store = MemoryStore()
    model: dict[bytes, bytes] = {}
    for _ in range(300):
        made = WriteBatch()
        for _ in range(rng.randrange(4)):
            key = bytes((rng.randrange(40),))
            if rng.random() < 0.4:
                made.delete(key)
                model.pop(key, None)
            else:
                model[key] = rng.randbytes(2)
                made.put(key, model[key])
        store.write(made, sync=rng.random() < 0.5)
        low, high = sorted((bytes((rng.randrange(40),)), bytes((rng.randrange(40),))))
        expected = sorted(item for item in model.items() if low <= item[0] < high)
        assert list(store.iterate(low, high)) == expected
        assert list(store.iterate(low, high, reverse=True)) == expected[::-1]
