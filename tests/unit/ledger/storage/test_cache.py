# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ledger.storage.cache import GenerationCache

ABSENT = b"absent"


def test_keeps_what_is_used_and_forgets_the_rest() -> None:
    cache = GenerationCache[bytes](100)
    cache.put(b"used", b"1", 10)
    cache.put(b"unused", b"2", 10)
    for n in range(40):
        cache.put(b"%d" % n, b"x", 10)
        assert cache.get(b"used", ABSENT) == b"1"
    assert cache.get(b"unused", ABSENT) is ABSENT


def test_stays_within_its_size() -> None:
    cache = GenerationCache[bytes](1000)
    for n in range(1000):
        cache.put(b"%d" % n, b"x", 10)
    held = [n for n in range(1000) if cache.get(b"%d" % n, ABSENT) is not ABSENT]
    assert 50 <= len(held) <= 102


def test_what_is_only_read_is_bounded_too() -> None:
    cache = GenerationCache[bytes](1000)
    for n in range(1_000):
        cache.put(b"%d" % n, b"x", 10)
        for earlier in range(max(0, n - 200), n):
            cache.get(b"%d" % earlier, ABSENT)
    held = [n for n in range(1_000) if cache.get(b"%d" % n, ABSENT) is not ABSENT]
    assert len(held) <= 102


def test_a_later_value_replaces_an_earlier_one_in_the_old_generation() -> None:
    cache = GenerationCache[bytes](100)
    cache.put(b"a", b"1", 60)
    cache.put(b"a", b"2", 10)
    assert cache.get(b"a", ABSENT) == b"2"
