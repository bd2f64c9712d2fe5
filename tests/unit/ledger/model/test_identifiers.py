# SPDX-License-Identifier: Apache-2.0
"""Names of things: what is one, and what only looks like one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.model import identifiers
from ledger.model.hashes import compute_did
from ledger.model.multibase import encode_base58btc

DID = compute_did("test", b"request")


def test_did_of_a_request_is_a_did() -> None:
    assert identifiers.network_of_did(DID) == "test"
    assert identifiers.is_did(DID, "test")
    assert not identifiers.is_did(DID, "tes")


@pytest.mark.parametrize("size", [19, 21])
def test_did_identifier_has_twenty_bytes(size: int) -> None:
    did = f"did:pset:test:{encode_base58btc(b'x' * size)}"
    assert identifiers.network_of_did(did) is None


def test_did_identifier_may_begin_with_zeros() -> None:
    did = f"did:pset:test:{encode_base58btc(bytes(2) + b'x' * 18)}"
    assert identifiers.network_of_did(did) == "test"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "did:pset:test",
        DID + "x",
        DID + "\n",
        DID.replace("pset", "web"),
        DID.replace("test", "Test"),
        DID.replace("test", "t" * 21),
        DID.replace("test", ""),
        DID[:-1] + "0",
        DID + "/resources/x",
        "did:pset:test:" + "1" * 30,
    ],
)
def test_no_did(text: str) -> None:
    assert identifiers.network_of_did(text) is None


@pytest.mark.parametrize(
    ("chain_id", "network"),
    [
        ("za:0123456789abcdef", "za"),
        ("za:0123456789ABCDEF", None),
        ("za:0123456789abcde", None),
        ("za", None),
        ("Za:0123456789abcdef", None),
        ("za:0123456789abcdef\n", None),
    ],
)
def test_network_of_chain(chain_id: str, network: str | None) -> None:
    assert identifiers.network_of_chain(chain_id) == network


def test_resource_url_round_trip() -> None:
    value = bytes(range(16))
    url = identifiers.resource_url(DID, value)
    assert url == f"{DID}/resources/00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert identifiers.parse_resource_url(url) == (DID, value)


@pytest.mark.parametrize(
    "url",
    [
        DID,
        DID + "/resources/",
        DID + "/resources/00010203-0405-0607-0809-0A0B0C0D0E0F",
        DID + "/resources/000102030405060708090a0b0c0d0e0f",
        DID + "/resources/00010203-0405-0607-0809-0a0b0c0d0e0f/x",
        "did:web:x/resources/00010203-0405-0607-0809-0a0b0c0d0e0f",
    ],
)
def test_no_resource_url(url: str) -> None:
    assert identifiers.parse_resource_url(url) is None


@pytest.mark.parametrize(
    ("predicate", "good", "bad"),
    [
        (identifiers.is_network, ["za", "a" * 20, "dev-2"], ["", "a" * 21, "Z", "a_b", "a\n"]),
        (identifiers.is_key_id, ["issue-2026", "Key.1_x"], ["", "-a", "a b", "a" * 65, "é"]),
        (identifiers.is_short_name, ["gaa", "a-1"], ["a", "-a", "Gaa", "a" * 33, "a.b", "gaa\n"]),
        (identifiers.is_site_code, ["1", "EC-02"], ["", "-1", "a b", "1" * 33]),
        (identifiers.is_code_system, ["qcto", "nlrd-v2"], ["", "QCTO", "a b"]),
        (identifiers.is_code_value, ["SDP-0142", "A/1.2_3"], ["", "-1", "a b", "é"]),
        (
            identifiers.is_resource_name,
            ["sample.v1", "a"],
            ["", "A", "za:saqa:q:1", "-a", "a" * 64],
        ),
        (
            identifiers.is_qualification,
            ["za:saqa:q:91761", "za:saqa:q:1"],
            ["91761", "za:saqa:q:", "za:saqa:q:091761", "za:saqa:q:9a", "za:saqa:us:1"],
        ),
        (
            identifiers.is_occupation,
            ["za:ofo:2021:671101"],
            ["671101", "za:ofo:2021:971101", "za:ofo:2021:67110", "za:ofo:1821:671101"],
        ),
        (
            identifiers.is_designation,
            ["PrEng", "CASA"],
            ["", "P", "prEng", "Pr Eng", "Pr-Eng", "A" * 17, "Pr\u00e9ng"],
        ),
        (identifiers.is_validator_id, ["n1", "saqa-2"], ["", "-n", "n-", "N1", "n" * 33]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_forms(predicate: Callable[[str], bool], good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not predicate(text)] == []
    assert [text for text in bad if predicate(text)] == []
