# SPDX-License-Identifier: Apache-2.0
"""Clients whose network's validators change: they follow what is proven, and nothing else."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.model import trust_path as model
from ledger.model.codec import encode
from ledger.model.verification import TrustRoot
from sdk import network_reader, trust_store
from sdk.aio_client import LedgerClient
from sdk.errors import CallerError, TrustError, UnavailableError
from sdk.failover import Failover
from sdk.node_api import CallFault, NodeCallError
from sdk.operations import AddSite
from sdk.proof_files import check_proof_file
from sdk.trust_store import KeptPath, read_trust
from sdk.write_paths import WritePaths
from tests.support.certified_chain import CertifiedChain
from tests.support.certified_world import make_network
from tests.support.cluster import Cluster
from tests.support.membership import replace_validator

GENESIS = ["n1", "n2", "n3"]
GROWN = ["n1", "n2", "n3", "n8"]
NOW = ["n1", "n3", "n8", "n9"]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def change(cluster: Cluster) -> None:
    """n8 comes, then n9 takes the place of n2."""
    replace_validator(cluster.world, "n8")
    replace_validator(cluster.world, "n9", "n2")
    assert len(cluster.world.chain.steps) == 2


def run(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())


def names_of(trust: TrustRoot) -> list[str]:
    return [validator.id for validator in trust.newest.validator_set.validators]


def count_paths(cluster: Cluster) -> int:
    return sum(node.calls["get_trust_path"] for node in cluster.nodes)


def evidence_codes(cluster: Cluster) -> list[str]:
    return [json.loads(path.read_bytes())["code"] for path in cluster.evidence]


def site(cluster: Cluster, code: str = "1") -> AddSite:
    return AddSite(cluster.world.did("qcto"), code, "Sample site", "GP")


# Following ---------------------------------------------------------------------------------------


def test_a_client_from_before_the_change_reads_and_writes_after_it(cluster: Cluster) -> None:
    client = cluster.client()
    assert run(client.organisation("qcto")).value.short_name == "qcto"
    assert (names_of(client.trust), count_paths(cluster)) == (GENESIS, 0)
    replace_validator(cluster.world, "n8")
    assert run(client.organisation("qcto")).height == cluster.world.header.height
    assert (names_of(client.trust), count_paths(cluster)) == (GROWN, 1)
    replace_validator(cluster.world, "n9", "n2")
    assert run(client.submit(site(cluster))).applied
    assert (names_of(client.trust), count_paths(cluster)) == (NOW, 2)
    run(client.organisation("che"))
    assert count_paths(cluster) == 2, "known by now"
    assert cluster.evidence == []


def test_a_client_with_genesis_only_reads_and_writes(cluster: Cluster) -> None:
    change(cluster)
    client = cluster.client()
    assert run(client.submit(site(cluster))).applied
    assert run(client.organisation("qcto")).verified
    assert (names_of(client.trust), count_paths(cluster)) == (NOW, 1)
    assert cluster.evidence == []


def test_several_writes_in_one_call(cluster: Cluster) -> None:
    change(cluster)

    async def main() -> list[Any]:
        operations = [site(cluster, str(number)) for number in range(3)]
        return [receipt async for receipt in cluster.client().submit_many(operations)]

    assert all(receipt.applied for receipt in asyncio.run(main()))
    assert (count_paths(cluster), cluster.evidence) == (1, [])


def test_blocks_of_all_times_name_who_certified_them(cluster: Cluster) -> None:
    change(cluster)
    client = cluster.client()
    run(client.head())
    known = client.trust
    for height in range(1, cluster.world.header.height + 1):
        block = run(client.block(height))
        certified_by = known.find_set(height)
        assert certified_by is not None
        ids = [validator.id for validator in certified_by.validator_set.validators]
        assert list(block.signers) == ids[: len(ids) // 2 + 1]
    assert [held.first_height for held in known.sets] == [
        1,
        *(
            version.header.height + 1
            for version in cluster.world.chain.versions
            if changes(version)
        ),
    ]
    assert cluster.evidence == []


def changes(version: Any) -> bool:
    return bool(version.header.validators_hash != version.header.next_validators_hash)


def test_what_a_transaction_became_before_the_change(cluster: Cluster) -> None:
    first = run(cluster.client().submit(site(cluster)))
    change(cluster)
    client = cluster.client()
    assert run(client.transaction(first.transaction_id)).state == "applied"
    run(client.head())
    assert run(client.transaction(first.transaction_id)).receipt.height == first.height
    assert cluster.evidence == []


def test_a_long_path_comes_in_pages(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    change(cluster)
    monkeypatch.setattr(network_reader, "TRUST_PATH_COUNT_MAX", 1)
    client = cluster.client()
    run(client.head())
    assert (names_of(client.trust), count_paths(cluster)) == (NOW, 2)


def test_two_calls_at_once_learn_the_same(cluster: Cluster) -> None:
    change(cluster)
    client = cluster.client()

    async def main() -> None:
        await asyncio.gather(*(client.organisation(name) for name in ("qcto", "che", "saqa")))

    asyncio.run(main())
    assert (names_of(client.trust), cluster.evidence) == (NOW, [])
    assert len(client.trust.sets) == 3


def test_what_two_answers_say_is_learned_once(cluster: Cluster) -> None:
    """Both were asked for before either was here."""
    change(cluster)
    client = cluster.client()
    since = client.trust
    steps = [encode(step) for step in cluster.world.chain.steps]
    client.believer.accept_path(steps, since)
    learned = client.trust
    assert names_of(learned) == NOW
    client.believer.accept_path(steps, since)
    client.believer.accept_path(steps[:1], since)
    assert client.trust is learned
    run(client.head())
    run(client.close())
    assert cluster.client().trust == learned


def test_a_node_that_is_behind_the_change_lags_and_no_more(cluster: Cluster) -> None:
    cluster.nodes[0].height = cluster.world.header.height
    change(cluster)
    client = cluster.client()
    run(client.head())
    assert names_of(client.trust) == GENESIS
    cluster.fail(CallFault.UNREACHABLE, 1, count=1)
    run(client.head())
    assert names_of(client.trust) == NOW
    cluster.fail(CallFault.UNREACHABLE, 2, 3, count=1)
    assert run(client.organisation("qcto")).height == cluster.world.header.height
    assert cluster.evidence == []


def test_an_unverified_client_names_no_signers_that_it_does_not_know(cluster: Cluster) -> None:
    change(cluster)
    client = cluster.client().unverified()
    assert run(client.head()).signers == ()
    assert run(client.block(1)).signers == ("n1", "n2")
    assert (names_of(client.trust), count_paths(cluster)) == (GENESIS, 0)


def test_a_height_whose_validators_are_forgotten(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(cluster)
    monkeypatch.setattr(model, "TRUSTED_SETS_COUNT_MAX", 2)
    client = cluster.client()
    run(client.head())
    forgotten = cluster.world.header.height - 3
    with pytest.raises(CallerError) as caught:
        run(client.block(forgotten))
    assert (caught.value.code, cluster.evidence) == ("VALIDATORS_FORGOTTEN", [])
    assert run(client.block(1)).height == 1
    assert run(client.organisation("qcto")).verified


# Lies --------------------------------------------------------------------------------------------


def foreign_steps() -> list[bytes]:
    """Of another chain with the same names."""
    other = CertifiedChain(GENESIS)
    other.change_validators(GROWN)
    return [encode(step) for step in other.steps]


LIES: dict[str, tuple[str, Callable[[Sequence[bytes]], Sequence[bytes]]]] = {
    "nothing": ("PATH_TRUNCATED", lambda _: []),
    "first left out": ("PATH_TRUNCATED", lambda steps: steps[1:]),
    "end left out": ("PATH_TRUNCATED", lambda steps: steps[:1]),
    "repeated": ("STEP_REPEATED", lambda steps: [steps[0], *steps]),
    "out of order": ("STEPS_OUT_OF_ORDER", lambda steps: [*steps, steps[0]]),
    "other network": ("OTHER_CHAIN", lambda _: foreign_steps()),
    "too long": ("PATH_TOO_LONG", lambda steps: list(steps) * 40),
    "endless": ("MALFORMED", lambda _: [b"x"] * 100_000),
    "not canonical": ("MALFORMED", lambda steps: [steps[0] + b"\x00", *steps[1:]]),
}


@pytest.mark.parametrize("name", LIES)
def test_a_node_that_proves_no_path_is_a_liar_and_the_next_one_is_asked(
    cluster: Cluster, name: str
) -> None:
    code, bend = LIES[name]
    change(cluster)
    first = cluster.nodes[0]
    # What is left of an answer that was cut off is refused when the client asks for the rest.
    first.bend_path = lambda steps: bend(steps) if len(steps) == 2 else []
    client = cluster.client()
    assert run(client.organisation("qcto")).verified
    assert names_of(client.trust) == NOW
    assert evidence_codes(cluster) == [code]
    document = json.loads(cluster.evidence[0].read_bytes())
    assert document["endpoint"].startswith("n1")
    assert "validators since height" in document["question"]
    asked = first.calls.total()
    run(client.organisation("che"))
    assert first.calls.total() == asked, "not asked again"


@pytest.mark.parametrize("name", [name for name in LIES if name != "end left out"])
def test_where_all_lie_nothing_changes(cluster: Cluster, name: str) -> None:
    code, bend = LIES[name]
    run(cluster.client().head())
    client = cluster.client()
    trust, highest = client.trust, client.believer.highest
    kept = (cluster.directory / "network" / "trust.json").read_bytes()
    change(cluster)
    for node in cluster.nodes:
        node.bend_path = bend
    with pytest.raises(TrustError) as caught:
        run(client.organisation("qcto"))
    assert caught.value.code in {"NODE_LIED", "OTHER_NETWORK"}
    assert caught.value.evidence in cluster.evidence
    assert set(evidence_codes(cluster)) == {code}
    assert len(cluster.evidence) == len(cluster.nodes)
    assert client.trust is trust
    assert client.believer.highest is highest
    run(client.close())
    assert (cluster.directory / "network" / "trust.json").read_bytes() == kept


@pytest.mark.parametrize("fault", [CallFault.REFUSED, CallFault.NODE_FAULT])
def test_a_node_that_does_not_say_how_its_validators_came_is_not_believed(
    cluster: Cluster, fault: CallFault
) -> None:
    change(cluster)
    cluster.fail_at("get_trust_path", fault, 1)
    client = cluster.client()
    assert run(client.organisation("qcto")).verified
    assert evidence_codes(cluster) == ["OTHER_VALIDATORS"]
    cluster.fail_at("get_trust_path", fault, 1, 2, 3)
    (cluster.directory / "network" / "trust.json").unlink()
    stranger = cluster.client()
    with pytest.raises(TrustError) as caught:
        run(stranger.head())
    assert names_of(stranger.trust) == GENESIS
    assert caught.value.code == "OTHER_VALIDATORS"


@pytest.mark.parametrize("fault", [CallFault.BROKEN, CallFault.UNREACHABLE, CallFault.BUSY])
def test_a_node_that_goes_in_the_middle_is_accused_of_nothing(
    cluster: Cluster, fault: CallFault
) -> None:
    change(cluster)
    cluster.fail_at("get_trust_path", fault, 1)
    assert run(cluster.client().organisation("qcto")).verified
    assert cluster.evidence == []


@pytest.mark.parametrize("fault", [CallFault.BROKEN, CallFault.UNREACHABLE, CallFault.BUSY])
def test_a_write_whose_proof_cannot_be_followed_may_have_arrived(
    cluster: Cluster, fault: CallFault
) -> None:
    """It has: whatever the question that comes after it fails of, not that nothing was sent."""
    client = cluster.client(seconds=1.0)
    assert run(client.submit(site(cluster, "0"))).applied
    change(cluster)
    cluster.fail_at("get_trust_path", fault, 1, 2, 3)
    height = cluster.world.header.height
    key, expires_in = bytes(range(16)), timedelta(hours=1)
    with pytest.raises(UnavailableError) as caught:
        run(client.submit(site(cluster), idempotency_key=key, expires_in=expires_in))
    assert caught.value.phase == "unknown"
    assert cluster.world.header.height == height + 1
    cluster.heal()
    receipt = run(client.submit(site(cluster), idempotency_key=key, expires_in=expires_in))
    assert (receipt.applied, receipt.height) == (True, height + 1), "the first one, once"
    assert cluster.evidence == []


# Keeping -----------------------------------------------------------------------------------------


def trust_file(cluster: Cluster) -> Path:
    return cluster.directory / "network" / "trust.json"


def learn(cluster: Cluster) -> LedgerClient:
    """A client that has learned of both changes and kept it."""
    change(cluster)
    client = cluster.client()
    run(client.head())
    run(client.close())
    return client


def test_what_was_learned_is_known_to_the_next_client(cluster: Cluster) -> None:
    first = learn(cluster)
    assert count_paths(cluster) == 1
    again = cluster.client()
    assert again.trust == first.trust
    assert again.believer.highest == first.believer.highest
    run(again.organisation("qcto"))
    assert count_paths(cluster) == 1
    replace_validator(cluster.world, "n7")
    run(again.head())
    run(again.close())
    assert count_paths(cluster) == 2
    third = cluster.client()
    assert third.trust == again.trust
    assert names_of(third.trust) == ["n1", "n3", "n7", "n8", "n9"]
    assert trust_file(cluster).stat().st_mode & 0o777 == 0o600


def test_a_kept_path_is_verified_when_it_is_read(cluster: Cluster) -> None:
    learn(cluster)
    document = json.loads(trust_file(cluster).read_bytes())
    steps = document["steps"]
    assert len(steps) == 2
    other = [b64encode(step).decode() for step in foreign_steps()]
    bent_steps: list[Any] = [
        steps[:1],
        steps[1:],
        [],
        steps[::-1],
        [*steps, steps[0]],
        other,
        ["?"],
        [7],
        "no list",
        {},
        [*steps, *steps * 200],
    ]
    for bent in bent_steps:
        content = json.dumps(document | {"steps": bent}).encode()
        trust_file(cluster).write_bytes(content)
        with pytest.raises(TrustError) as caught:
            cluster.client()
        assert caught.value.code == "TRUST_STATE_DAMAGED"
        assert trust_file(cluster).read_bytes() == content


def test_a_kept_path_longer_than_one_may_be_is_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(cluster)
    monkeypatch.setattr(trust_store, "KEPT_STEPS_COUNT_MAX", 1)
    with pytest.raises(TrustError) as caught:
        cluster.client()
    assert caught.value.code == "TRUST_STATE_DAMAGED"


def test_a_file_from_before_any_change_is_read(cluster: Cluster) -> None:
    client = cluster.client()
    run(client.head())
    run(client.close())
    assert "steps" not in json.loads(trust_file(cluster).read_bytes())
    assert cluster.client().trust == client.trust


@pytest.mark.parametrize("limit", ["KEPT_STEPS_COUNT_MAX", "KEPT_STEPS_SIZE_BYTES_MAX"])
def test_a_path_that_is_too_long_is_kept_up_to_a_limit(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """And no head that it does not prove, so that the file can always be read."""
    client = cluster.client()
    run(client.head())
    replace_validator(cluster.world, "n8")
    run(client.head())
    run(client.close())
    kept = trust_file(cluster).read_bytes()
    held = json.loads(kept)
    size = len(encode(cluster.world.chain.steps[0]))
    monkeypatch.setattr(trust_store, limit, 1 if "COUNT" in limit else size)
    replace_validator(cluster.world, "n9", "n2")
    cluster.world.time += 10_000
    run(client.head())
    run(client.close())
    assert names_of(client.trust) == NOW
    assert trust_file(cluster).read_bytes() == kept
    again = cluster.client()
    assert again.reader.known_height == held["height"]
    run(again.head())
    assert names_of(again.trust) == NOW


def test_a_path_once_cut_off_is_not_gone_on_with() -> None:
    path = KeptPath().extend([b"first"], 3)
    assert path == KeptPath((b"first",))
    cut = path.extend([b"x"] * trust_store.KEPT_STEPS_COUNT_MAX, 7)
    assert cut == KeptPath((b"first",), 7)
    assert cut.extend([b"next"], 9) == cut


def test_proofs_without_a_network_follow_what_was_learned(cluster: Cluster, tmp_path: Path) -> None:
    network = make_network(cluster.world, tmp_path)
    change(cluster)
    file = tmp_path / "proof"
    file.write_bytes(run(cluster.client().organisation("qcto")).proof)
    with pytest.raises(TrustError) as caught:
        check_proof_file(file, network.trust_root)
    assert caught.value.code == "OTHER_VALIDATORS"
    assert "pset ledger head" in caught.value.remedy
    client = cluster.client()
    run(client.head())
    run(client.close())
    assert check_proof_file(file, read_trust(network)).height == cluster.world.header.height


# The quorum in words -----------------------------------------------------------------------------


def test_the_quorum_counts_the_present_validators(cluster: Cluster) -> None:
    """Of four, three are needed; where n8 listens nobody told the client, so it may well run."""
    client = cluster.client(seconds=1.0)
    replace_validator(cluster.world, "n8")
    run(client.head())
    cluster.fail(CallFault.UNREACHABLE, 2, 3)
    cluster.fail_at("submit", CallFault.BUSY, 1)
    with pytest.raises(UnavailableError) as caught:
        run(client.submit(site(cluster)))
    assert caught.value.code == "NO_QUORUM"
    assert "1 of 4 validators answers, 3 are needed" in str(caught.value)


def test_in_a_byzantine_network_as_many_refusals_as_its_present_size_asks_for(
    tmp_path: Path,
) -> None:
    cluster = Cluster(tmp_path, nodes=6, fault_model="byzantine")
    client = cluster.client()
    run(client.head())
    paths = WritePaths(Failover(cluster.nodes), lambda: client.trust, seconds=1.0)
    needed = paths.refusals_needed
    refusal = NodeCallError(CallFault.REFUSED, "no", reason="MALFORMED")
    assert needed(refusal) == 2
    replace_validator(cluster.world, "n8")
    run(client.head())
    assert needed(refusal) == 3, "seven stand two liars"
