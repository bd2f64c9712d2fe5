# SPDX-License-Identifier: Apache-2.0
"""A listener's TLS configuration is replaced when it changes and at no other handshake."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ledger.api.tls_credentials import TlsMaterial, TlsReload


def test_what_has_not_changed_is_not_replaced() -> None:
    # A fresh object each time: what counts is what is in it.
    reload = TlsReload(lambda: TlsMaterial(b"key", b"chain", b"roots"))
    assert reload.first is not None
    assert [reload() for _ in range(3)] == [None, None, None]


def test_each_change_is_given_once() -> None:
    held = [TlsMaterial(b"key", b"chain", b"roots")]
    reload = TlsReload(lambda: held[0])
    for changed in (
        TlsMaterial(b"key 2", b"chain", b"roots"),
        TlsMaterial(b"key 2", b"chain 2", b"roots"),
        TlsMaterial(b"key 2", b"chain 2", b"roots 2"),
    ):
        held[0] = changed
        assert reload() is not None
        assert reload() is None


def test_of_many_handshakes_at_once_one_replaces_it() -> None:
    held = [TlsMaterial(b"key", b"chain")]
    reload = TlsReload(lambda: held[0])
    held[0] = TlsMaterial(b"key 2", b"chain 2")
    with ThreadPoolExecutor(16) as pool:
        given = [pool.submit(reload) for _ in range(200)]
    assert sum(future.result() is not None for future in given) == 1
