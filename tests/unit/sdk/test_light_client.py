# SPDX-License-Identifier: Apache-2.0
"""What the light client remembers, in memory and on disk."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from ledger.model import bls, schema
from ledger.model.codec import encode
from ledger.model.verification import (
    CONFLICTING_HEADS,
    HEAD_FROM_FUTURE,
    HEAD_MISMATCH,
    OLD_STATE,
    ProofError,
    VerifiedHead,
)
from sdk.errors import CallerError, TrustError
from sdk.evidence import EVIDENCE_COUNT_MAX, EvidenceStore
from sdk.light_client import HEADS_COUNT_MAX, LightClient
from sdk.trust_store import TrustStore
from tests.support.certified_chain import CertifiedChain, Version

KEY = schema.validators_key()


class Clock:
    def __init__(self, time_ms: int) -> None:
        self.time_ms = time_ms

    def __call__(self) -> int:
        return self.time_ms


@pytest.fixture
def chain() -> CertifiedChain:
    chain = CertifiedChain()
    chain.add_block({KEY: b"first"})
    return chain


@pytest.fixture
def clock(chain: CertifiedChain) -> Clock:
    return Clock(chain.tip.header.time)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network" / "trust.json"


@pytest.fixture
def client(chain: CertifiedChain, clock: Clock, path: Path) -> LightClient:
    return LightClient(chain.trust, TrustStore(path), time_ms=clock)


def show(client: LightClient, version: Version, floor: VerifiedHead | None = None) -> VerifiedHead:
    return client.accept_head(encode(version.head), floor)


def refuse(client: LightClient, version: Version, floor: VerifiedHead | None = None) -> str:
    with pytest.raises(ProofError) as caught:
        show(client, version, floor)
    return caught.value.code


def stored(path: Path) -> int:
    held: int = json.loads(path.read_bytes())["height"]
    return held


def test_the_highest_head_is_kept_on_disk(
    chain: CertifiedChain, client: LightClient, clock: Clock, path: Path
) -> None:
    assert client.highest is None
    show(client, chain.tip)
    assert stored(path) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [held.name for held in path.parent.iterdir()] == ["trust.json"]
    show(client, chain.add_block())
    assert stored(path) == 1, "not more often than once a second"
    clock.time_ms += 1_000
    show(client, chain.add_block())
    assert stored(path) == 3
    show(client, chain.add_block())
    client.close()
    assert stored(path) == 4
    client.close()
    again = LightClient(chain.trust, TrustStore(path), time_ms=clock)
    assert again.highest is not None
    assert again.highest.height == 4


def test_a_lower_head_does_not_replace_a_higher_one_on_disk(
    chain: CertifiedChain, clock: Clock, path: Path
) -> None:
    first = LightClient(chain.trust, TrustStore(path), time_ms=clock)
    second = LightClient(chain.trust, TrustStore(path), time_ms=clock)
    low = chain.tip
    show(second, chain.add_block())
    show(first, low)
    first.close()
    assert stored(path) == 2


def test_heights_never_go_back(chain: CertifiedChain, client: LightClient) -> None:
    old = chain.tip
    new = show(client, chain.add_block())
    assert refuse(client, old, floor=new) == OLD_STATE
    assert show(client, old, floor=None).height == 1, "asked for before the newer one was seen"
    assert client.highest == new


def test_a_head_in_conflict_is_refused_whichever_came_first(
    chain: CertifiedChain, client: LightClient
) -> None:
    twin = CertifiedChain()
    twin.add_block({KEY: b"other"})
    show(client, chain.tip)
    assert refuse(client, twin.tip) == CONFLICTING_HEADS
    show(client, chain.add_block(time=chain.tip.header.time + 10_000))
    late = twin.add_block(time=chain.tip.header.time + 1)
    assert refuse(client, late) == CONFLICTING_HEADS
    other = CertifiedChain()
    other.add_block(time=chain.tip.header.time)
    assert refuse(client, other.tip) == CONFLICTING_HEADS


def test_a_head_of_the_future(chain: CertifiedChain, client: LightClient, clock: Clock) -> None:
    clock.time_ms -= 300_001
    assert refuse(client, chain.tip) == HEAD_FROM_FUTURE
    assert client.highest is None


def test_the_head_of_a_height_is_that_height(chain: CertifiedChain, client: LightClient) -> None:
    first = encode(chain.tip.head)
    show(client, chain.add_block())
    assert client.accept_head_at(first, 1).height == 1
    with pytest.raises(ProofError) as caught:
        client.accept_head_at(first, 2)
    assert caught.value.code == HEAD_MISMATCH


def test_pages_of_lists(chain: CertifiedChain, client: LightClient) -> None:
    parent = schema.grants_by_grantee_key("did:pset:dev:alpha")
    page = encode(chain.prove_children(parent, 0, 10))
    held = client.accept_children(page, parent, 0, 10, None)
    assert list(held.entries) == [parent]
    with pytest.raises(ProofError):
        client.accept_children(page, KEY, 0, 10, None)


def test_verified_heads_are_remembered_up_to_a_limit(
    chain: CertifiedChain, client: LightClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = 0
    original = bls.fast_aggregate_verify

    def count(*arguments: object) -> bool:
        nonlocal verified
        verified += 1
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(bls, "fast_aggregate_verify", count)
    versions = [chain.tip, *(chain.add_block() for _ in range(HEADS_COUNT_MAX))]
    for version in versions:
        show(client, version)
    assert verified == HEADS_COUNT_MAX + 1
    show(client, versions[-1])
    show(client, versions[1])
    assert verified == HEADS_COUNT_MAX + 1
    show(client, versions[0])
    assert verified == HEADS_COUNT_MAX + 2


def test_a_damaged_trust_file_is_not_passed_over(
    chain: CertifiedChain, client: LightClient, clock: Clock, path: Path
) -> None:
    show(client, chain.tip)
    honest = path.read_bytes()
    foreign = CertifiedChain(names=("m1",))
    document = json.loads(honest)
    lies = [
        b"",
        b"{}",
        honest[:-5],
        json.dumps(document | {"head": "?"}).encode(),
        json.dumps(document | {"head": 7}).encode(),
        json.dumps(
            document | {"head": b64encode(encode(foreign.add_block().head)).decode()}
        ).encode(),
    ]
    for content in lies:
        path.write_bytes(content)
        with pytest.raises(TrustError) as caught:
            LightClient(chain.trust, TrustStore(path), time_ms=clock)
        assert caught.value.code == "TRUST_STATE_DAMAGED"
        assert caught.value.evidence == path
        assert path.read_bytes() == content
    path.write_bytes(lies[0])
    clock.time_ms += 1_000
    show(client, chain.add_block())
    assert path.read_bytes() == lies[0], "a running client leaves it for whoever looks"


def test_another_networks_trust_file_is_replaced(
    chain: CertifiedChain, client: LightClient, clock: Clock, path: Path
) -> None:
    """A development network was built anew in the same directory."""
    show(client, chain.tip)
    rebuilt = CertifiedChain(chain_id="dev:fedcba9876543210")
    again = LightClient(rebuilt.trust, TrustStore(path), time_ms=clock)
    assert again.highest is None
    show(again, rebuilt.add_block())
    again.close()
    assert json.loads(path.read_bytes())["chain_id"] == rebuilt.chain_id


def test_where_nothing_can_be_written_heights_still_do_not_go_back(
    chain: CertifiedChain, clock: Clock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise CallerError("read-only", code="FILE_UNWRITABLE", remedy="None.")

    monkeypatch.setattr("sdk.trust_store.write_file", fail)
    for store in (TrustStore(path), TrustStore(None)):
        old = chain.tip
        client = LightClient(chain.trust, store, time_ms=clock)
        new = show(client, chain.add_block())
        client.close()
        assert refuse(client, old, floor=new) == OLD_STATE
    assert not path.exists()


def test_evidence_is_bounded_and_never_in_the_way(
    chain: CertifiedChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EVIDENCE_COUNT_MAX == 1_000
    monkeypatch.setattr("sdk.evidence.EVIDENCE_COUNT_MAX", 3)
    store = EvidenceStore(tmp_path / "evidence")

    def keep(held: EvidenceStore) -> Path:
        return held.keep(
            ProofError("NODE_LIED", "on purpose"),
            chain_id=chain.chain_id,
            endpoint="n1",
            question="what",
            answer=b"\x00\xff",
            highest=None,
            time_ms=1,
        )

    kept = [keep(store) for _ in range(4)]
    assert all(path.is_file() for path in kept[:3])
    assert kept[3] == store.directory
    assert len(list(store.directory.iterdir())) == 3
    blocked = tmp_path / "file"
    blocked.write_text("x")
    assert keep(EvidenceStore(blocked / "evidence")) == blocked / "evidence"
