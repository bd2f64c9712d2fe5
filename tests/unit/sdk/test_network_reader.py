# SPDX-License-Identifier: Apache-2.0
"""Questions answered from one certified state, and attacks on whoever asks them.

Long because every way to bend an answer is tried on the same few questions.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.model import bls, schema
from ledger.model.civil_date import day_of
from ledger.model.codec import decode, encode
from ledger.model.proofs import CertifiedHead, ProvenState
from ledger.model.records import ListRecord, OrganisationRecord
from sdk.aio_client import LedgerClient
from sdk.aio_verifier import Verifier
from sdk.errors import CallerError, TrustError, UnavailableError
from sdk.failover import Failover
from sdk.moments import to_date, to_instant
from sdk.node_api import CallFault, NodeCallError
from sdk.policy import HEAD_AGE_MAX
from sdk.proof_files import check_proof
from sdk.reader import MissingKeysError, StateView
from sdk.results import Verdict
from tests.support.certified_world import CertifiedWorld, FakeNode, make_client
from tests.support.issuing_world import IssuingWorld
from tests.support.ledger_world import make_genesis
from tests.support.message_mutations import encoded_mutations, head_mutations


@pytest.fixture
def world() -> CertifiedWorld:
    return CertifiedWorld()


@pytest.fixture
def node(world: CertifiedWorld) -> FakeNode:
    return FakeNode(world)


@pytest.fixture
def client(world: CertifiedWorld, node: FakeNode, tmp_path: Path) -> LedgerClient:
    return make_client(world, tmp_path, nodes=[node])


def run(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())


def organisation_key(world: CertifiedWorld, name: str) -> bytes:
    return schema.organisation_key(world.did(name))


def name_of(world: CertifiedWorld, short_name: str) -> Callable[[StateView], str | None]:
    def question(view: StateView) -> str | None:
        record = view.record(OrganisationRecord, organisation_key(world, short_name))
        return None if record is None else record.name

    return question


def evidence_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "home" / "evidence").glob("*.json"))


def refuse(client: LedgerClient, question: Callable[[StateView], Any]) -> TrustError:
    with pytest.raises(TrustError) as caught:
        run(client.ask(question))
    assert caught.value.remedy
    return caught.value


# Questions ---------------------------------------------------------------------------------------


def test_a_question_is_run_until_it_misses_nothing(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    def question(view: StateView) -> list[str]:
        parent = schema.grants_by_grantee_key(world.did("qcto"))
        found = [view.record(OrganisationRecord, organisation_key(world, "qcto"))]
        found += view.records(
            OrganisationRecord, [organisation_key(world, name) for name in ("saqa", "che")]
        )
        assert len(view.children(parent)) == 2
        return [record.short_name for record in found if record is not None]

    proven = run(client.ask(question))
    assert proven.value == ["qcto", "saqa", "che"]
    assert proven.verified
    assert (proven.height, proven.as_of.timestamp()) == (
        world.header.height,
        world.header.time / 1000,
    )
    assert node.calls["get_many"] == 4
    checked = check_proof(proven.proof, world.trust)
    assert checked.state is not None
    assert len(checked.state.values) == 6


def test_an_absent_key_is_proven_absent(client: LedgerClient) -> None:
    proven = run(client.get(schema.did_key("did:pset:test:nobody")))
    assert proven.value is None
    assert proven.proof


def wanted(world: CertifiedWorld, short_name: str) -> Callable[[StateView], bytes]:
    def question(view: StateView) -> bytes:
        value = view.get(schema.short_name_key(short_name))
        if value is None:
            raise CallerError("nobody", code="ORGANISATION_UNKNOWN", remedy="Ask for another.")
        return value

    return question


def test_an_answer_that_there_is_none_carries_its_proof(
    world: CertifiedWorld, client: LedgerClient
) -> None:
    with pytest.raises(CallerError) as caught:
        run(client.ask(wanted(world, "merseta")))
    checked = check_proof(caught.value.proof, world.trust)
    assert checked.state is not None
    assert checked.state.values == {schema.short_name_key("merseta"): None}
    assert checked.height == world.header.height


def test_what_was_absent_before_is_asked_again(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    """Absence that is remembered is no answer today: somebody may have come since."""
    key = schema.short_name_key("merseta")
    assert run(client.get(key)).value is None
    world.endorse("merseta")
    assert run(client.ask(wanted(world, "merseta")))
    node.calls.clear()
    with pytest.raises(CallerError):
        run(client.ask(wanted(world, "nobody")))
    with pytest.raises(CallerError) as again:
        run(client.ask(wanted(world, "nobody")))
    assert node.calls["get_many"] == 1, "the same root proves the same absence"
    assert check_proof(again.value.proof, world.trust).height == world.header.height


def test_a_bad_question_asks_nobody(node: FakeNode, client: LedgerClient) -> None:
    def question(_: StateView) -> None:
        raise CallerError("bad", code="ARGUMENT_TYPE", remedy="Mend it.")

    with pytest.raises(CallerError) as caught:
        run(client.ask(question))
    assert (caught.value.proof, node.calls) == (b"", {})


def test_a_question_about_the_head_alone_asks_for_the_head(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    assert run(client.ask(lambda view: view.height)).value == world.header.height
    assert node.calls == {"get_head": 1}


def test_the_state_moves_between_two_fetches(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    """Everything is fetched again under the newer root: two heights are never mixed."""
    moves = iter(["merseta"])

    def move(method: str) -> None:
        if method == "get_many" and node.calls["get_many"] == 2:
            world.endorse(next(moves))

    node.before = move
    seen: list[tuple[int, int]] = []

    def question(view: StateView) -> int:
        first = view.record(ListRecord, schema.organisations_key())
        second = view.record(OrganisationRecord, organisation_key(world, "qcto"))
        assert first is not None
        assert second is not None
        seen.append((view.height, first.child_count))
        return first.child_count

    proven = run(client.ask(question))
    assert proven.value == 5
    assert proven.height == world.header.height
    assert seen == [(world.header.height, 5)]
    assert check_proof(proven.proof, world.trust).height == proven.height


def test_a_root_that_stays_joins_fetches_of_two_heights(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    def beat(method: str) -> None:
        if method == "get_many" and node.calls["get_many"] == 2:
            world.run_block([])

    node.before = beat

    def question(view: StateView) -> tuple[bytes | None, bytes | None]:
        first = view.get(organisation_key(world, "qcto"))
        return first, view.get(organisation_key(world, "saqa"))

    proven = run(client.ask(question))
    assert None not in proven.value
    assert node.calls["get_many"] == 2
    assert proven.height == world.header.height
    assert check_proof(proven.proof, world.trust).height == proven.height


def test_a_state_that_never_rests_is_given_up(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    def move(method: str) -> None:
        world.create_status_list("qcto", label=str(node.calls[method]))

    node.before = move
    node.keys_count_max = 1
    with pytest.raises(UnavailableError) as caught:
        run(
            client.ask(
                lambda view: view.get_many(
                    [organisation_key(world, name) for name in ("qcto", "saqa")]
                )
            )
        )
    assert caught.value.code == "STATE_MOVING"


def test_a_node_that_wants_smaller_questions_gets_them(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    node.keys_count_max = 2
    keys = [organisation_key(world, name) for name in ("saqa", "che", "qcto", "umalusi")]
    assert None not in run(client.ask(lambda view: view.get_many(keys))).value


def test_errors_of_a_question_are_the_callers(client: LedgerClient) -> None:
    def question(view: StateView) -> None:
        view.get(schema.validators_key())
        raise CallerError("no", code="NO", remedy="No.")

    with pytest.raises(CallerError, match="no"):
        run(client.ask(question))


def test_a_record_that_is_none_is_no_answer(
    world: CertifiedWorld, client: LedgerClient, tmp_path: Path
) -> None:
    key = schema.organisations_key()
    error = refuse(client, lambda view: view.record(OrganisationRecord, key))
    assert error.code == "STATE_MALFORMED"
    assert evidence_files(tmp_path) == [error.evidence]


def test_a_view_names_what_is_missing(world: CertifiedWorld) -> None:
    view = StateView(None, {})
    with pytest.raises(MissingKeysError) as caught:
        view.get_many([b"one", b"two", b"one"])
    assert caught.value.keys == (b"one", b"two")
    with pytest.raises(MissingKeysError):
        _ = view.height


# What is asked again, and what is not ------------------------------------------------------------


def test_a_warm_read_verifies_no_certificate(
    world: CertifiedWorld, client: LedgerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(client.ask(name_of(world, "qcto")))

    def refuse_to_verify(*_: object) -> bool:
        raise AssertionError("a head known already is verified again")

    monkeypatch.setattr(bls, "fast_aggregate_verify", refuse_to_verify)
    assert run(client.ask(name_of(world, "qcto"))).value
    assert run(client.ask(name_of(world, "saqa"))).value


def test_without_max_age_every_read_asks_for_the_newest_head(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    async def main() -> None:
        await client.ask(name_of(world, "qcto"))
        await client.ask(name_of(world, "qcto"))
        assert node.calls == {"get_many": 1, "get_head": 1}
        world.endorse("merseta")
        proven = await client.ask(name_of(world, "merseta"))
        assert proven.value == "merSETA"

    asyncio.run(main())


def test_with_max_age_facts_are_used_again_until_a_newer_head_is_seen(
    world: CertifiedWorld, node: FakeNode, tmp_path: Path
) -> None:
    client = make_client(world, tmp_path, nodes=[node], max_age=timedelta(hours=1))

    async def main() -> None:
        first = await client.ask(name_of(world, "qcto"))
        world.run_block([])
        again = await client.ask(name_of(world, "qcto"))
        assert (again.height, again.proof) == (first.height, first.proof)
        assert node.calls == {"get_many": 1}
        await client.head()
        assert (await client.ask(name_of(world, "qcto"))).height == world.header.height
        other = await client.reader.ask(name_of(world, "qcto"), max_age=timedelta(0))
        assert other.view.height == world.header.height
        assert node.calls == {"get_many": 1, "get_head": 3}

    asyncio.run(main())


# Age ---------------------------------------------------------------------------------------------


def test_an_answer_about_the_present_needs_a_young_head(
    world: CertifiedWorld, node: FakeNode, tmp_path: Path
) -> None:
    """A node that only serves what it had when its network stopped lies in nothing it proves."""
    now = [world.time]
    client = make_client(world, tmp_path, nodes=[node], time_ms=lambda: now[0])
    limit_ms = HEAD_AGE_MAX // timedelta(milliseconds=1)

    def refuse_old(awaitable: Awaitable[Any]) -> None:
        with pytest.raises(UnavailableError) as caught:
            run(awaitable)
        assert (caught.value.code, caught.value.phase) == ("STATE_TOO_OLD", "not-sent")
        assert caught.value.remedy

    now[0] += limit_ms
    assert run(client.organisation("qcto")).verified
    now[0] += 1
    refuse_old(client.organisation("qcto"))
    # Nor does it say what does not exist, or what is of today.
    refuse_old(client.organisation("nobody"))
    refuse_old(client.accreditations("qcto", at=to_date(day_of(now[0]))))
    refuse_old(client.ask(name_of(world, "qcto")))
    # Of the past it tells as ever: that has happened, whatever came later.
    past = to_instant(world.time)
    assert run(client.organisation("qcto", at=past)).verified
    assert run(client.did_document(world.did("qcto"), at=past)).verified
    assert run(client.accreditations("qcto", at=past)).verified
    # The next block is enough.
    world.run_block([])
    now[0] = world.time
    assert run(client.organisation("qcto")).height == world.header.height


@pytest.mark.parametrize(("max_age", "is_answered"), [(1, False), (40 * 1440, True)])
def test_a_longer_max_age_accepts_an_older_head_and_a_shorter_one_only_the_usual(
    world: CertifiedWorld, tmp_path: Path, max_age: int, is_answered: bool
) -> None:
    def late() -> int:
        return world.time + timedelta(days=40) // timedelta(milliseconds=1)

    client = make_client(world, tmp_path, max_age=timedelta(minutes=max_age), time_ms=late)
    if is_answered:
        assert run(client.organisation("qcto")).verified
        return
    with pytest.raises(UnavailableError, match="40 days old"):
        run(client.organisation("qcto"))


def test_an_unverified_client_says_what_it_is_told_however_old(
    world: CertifiedWorld, tmp_path: Path
) -> None:
    client = make_client(world, tmp_path, time_ms=lambda: world.time + 10**10)
    assert not run(client.unverified().organisation("qcto")).verified


# Attacks -----------------------------------------------------------------------------------------


def bend_state(change: Callable[[ProvenState], ProvenState]) -> Callable[[bytes], bytes]:
    return lambda answer: encode(change(decode(ProvenState, answer)))


REFUSALS = (
    "",
    "REASON_OF_THE_FUTURE",
    "HEIGHT_UNKNOWN",
    "MALFORMED",
    "RESOURCE_LIMIT",
)


def refusing(reason: str) -> list[NodeCallError]:
    return [NodeCallError(CallFault.REFUSED, "no", reason=reason)] * 1000


@pytest.mark.parametrize("reason", REFUSALS)
def test_no_of_one_node_does_not_end_a_read(
    world: CertifiedWorld, tmp_path: Path, reason: str
) -> None:
    liar, honest = FakeNode(world), FakeNode(world)
    client = make_client(world, tmp_path, nodes=[liar, honest])
    liar.faults = refusing(reason)
    assert run(client.organisation("qcto")).verified
    liar.faults = refusing(reason)
    assert run(client.head()).height == world.header.height
    # Of a height that is known already no honest node says that it is not there.
    assert run(client.reader.time_at(1))


@pytest.mark.parametrize("reason", REFUSALS)
def test_no_of_every_node_leaves_a_document_unknown(
    world: CertifiedWorld, node: FakeNode, tmp_path: Path, reason: str
) -> None:
    client = make_client(world, tmp_path, nodes=[node], timeout=timedelta(seconds=0.2))
    issuing = IssuingWorld()
    document = issuing.issue()
    node.faults = refusing(reason)
    report = run(Verifier(client, time_ms=lambda: world.time).verify(document))
    assert report.verdict is Verdict.UNKNOWN
    node.faults = refusing(reason)
    with pytest.raises(UnavailableError) as caught:
        run(client.organisation("qcto"))
    assert caught.value.code == "NODE_FAULT"


def test_value_altered(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient, tmp_path: Path
) -> None:
    key = organisation_key(world, "qcto")

    def alter(proven: ProvenState) -> ProvenState:
        entry = proven.entries[0]
        value = entry.value.replace(b"Quality", b"Quantit")
        return replace(proven, entries=(replace(entry, value=value),))

    node.bends["get_many"] = bend_state(alter)
    error = refuse(client, name_of(world, "qcto"))
    assert error.code == "NODE_LIED"
    assert evidence_files(tmp_path) == [error.evidence]
    kept = json.loads(error.evidence.read_bytes())
    assert kept["code"] == "VALUE_NOT_PROVEN"
    assert key.hex() in kept["question"]
    assert b"Quantit" in b64decode(kept["answer"])
    assert error.evidence.stat().st_mode & 0o777 == 0o600
    # The client believes nothing of it: with an honest node it goes on.
    node.bends.clear()
    assert run(client.ask(name_of(world, "qcto"))).value.startswith("Quality")


def test_present_key_said_to_be_absent(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    node.bends["get_many"] = bend_state(
        lambda proven: replace(
            proven, entries=tuple(replace(entry, value=b"") for entry in proven.entries)
        )
    )
    assert refuse(client, name_of(world, "qcto")).code == "NODE_LIED"


def test_other_networks_answer(world: CertifiedWorld, node: FakeNode, client: LedgerClient) -> None:
    other = CertifiedWorld(make_genesis(created=world.genesis.created + 1))
    key = organisation_key(other, "qcto")
    node.bends["get_many"] = lambda _: encode(other.chain.prove([key]))
    assert refuse(client, lambda view: view.get(key)).code == "OTHER_NETWORK"


def test_uncertified_answer(world: CertifiedWorld, node: FakeNode, client: LedgerClient) -> None:
    node.bends["get_head"] = lambda answer: encode(
        CertifiedHead(decode(CertifiedHead, answer).header)
    )
    assert refuse(client, lambda view: view.height).code == "NODE_LIED"


def test_old_state_replayed(world: CertifiedWorld, node: FakeNode, tmp_path: Path) -> None:
    client = make_client(world, tmp_path, nodes=[node], timeout=timedelta(milliseconds=200))
    run(client.ask(name_of(world, "qcto")))
    height = world.header.height
    world.endorse("merseta")
    node.height = height - 1
    error = refuse(client, name_of(world, "qcto"))
    assert error.code == "OLD_STATE"
    assert json.loads(error.evidence.read_bytes())["highest_head"]
    # The next process remembers, too.
    run(client.close())
    again = make_client(world, tmp_path, nodes=[node], timeout=timedelta(milliseconds=200))
    assert refuse(again, name_of(world, "qcto")).code == "OLD_STATE"


def test_an_answer_overtaken_by_a_newer_one_is_no_replay(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    """The floor of a question is what was known when it was sent."""

    async def main() -> None:
        slow = client.reader
        height = world.header.height

        async def send(held: object, seconds: float) -> bytes:
            del held
            answer = await node.get_many([schema.validators_key()], seconds=seconds)
            world.run_block([])
            await client.head()  # a newer head arrives while this answer is on its way
            return answer

        entries = await slow.call(
            send,
            lambda answer, floor: client.believer.accept_state(
                answer, [schema.validators_key()], floor
            ),
            question="slow",
        )
        assert entries.head.height == height
        assert slow.known_height == height + 1

    asyncio.run(main())


def test_two_certified_states_at_one_height(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    """One validator signs two blocks: whichever came first, the second is refused."""
    twin = CertifiedWorld(world.genesis)
    twin.endorse("merseta")
    world.endorse("gaa")
    run(client.ask(name_of(world, "qcto")))
    key = organisation_key(twin, "merseta")
    node.bends["get_many"] = lambda _: encode(twin.chain.prove([key]))
    assert refuse(client, lambda view: view.get(key)).code == "CONFLICTING_HEADS"


def test_future_header(world: CertifiedWorld, node: FakeNode, tmp_path: Path) -> None:
    client = make_client(world, tmp_path, nodes=[node], time_ms=lambda: world.time - 600_000)
    assert refuse(client, name_of(world, "qcto")).code == "HEAD_FROM_FUTURE"


def test_an_honest_node_answers_for_a_lying_one(world: CertifiedWorld, tmp_path: Path) -> None:
    liar, honest = FakeNode(world, "n1 (liar)"), FakeNode(world, "n2 (honest)")
    liar.bends["get_many"] = lambda answer: answer[:-1]
    client = make_client(world, tmp_path, nodes=[liar, honest])
    assert run(client.ask(name_of(world, "qcto"))).value
    assert len(evidence_files(tmp_path)) == 1
    assert run(client.ask(name_of(world, "saqa"))).value
    assert liar.calls["get_many"] == 1, "a node that lied is not asked again"


def test_no_mutation_of_an_answer_is_accepted(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    """Every field of a GetMany response, at any depth, and the bytes of its head."""
    keys = [organisation_key(world, "qcto"), schema.did_key("did:pset:test:nobody")]
    honest = world.chain.prove(keys)
    assert honest.head is not None
    heads = (encode(replace(honest, head=head)) for head in head_mutations(honest.head))

    async def main() -> int:
        tried = 0
        for answer in (*encoded_mutations(honest), *heads):
            node.bends["get_many"] = lambda _, answer=answer: answer  # type: ignore[misc]
            tried += 1
            with pytest.raises(TrustError):
                await client.ask(lambda view: view.get_many(keys))
        node.bends.clear()
        assert (await client.ask(lambda view: view.get_many(keys))).verified
        return tried

    assert asyncio.run(main()) > 150


def test_no_truncation_of_an_answer_is_accepted(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    key = organisation_key(world, "qcto")
    answer = encode(world.chain.prove([key]))

    async def main() -> None:
        for size in range(0, len(answer), 37):
            node.bends["get_many"] = lambda held, size=size: held[:size]  # type: ignore[misc]
            with pytest.raises(TrustError):
                await client.ask(lambda view: view.get(key))

    asyncio.run(main())


# Refusals and absence ----------------------------------------------------------------------------


def test_a_refused_read_is_the_callers(client: LedgerClient, world: CertifiedWorld) -> None:
    with pytest.raises(CallerError) as caught:
        run(client.block(world.header.height + 1))
    assert caught.value.code == "HEIGHT_UNKNOWN"


def test_nobody_answers(world: CertifiedWorld, node: FakeNode, tmp_path: Path) -> None:
    client = make_client(world, tmp_path, nodes=[node], timeout=timedelta(milliseconds=200))
    node.faults = [NodeCallError(CallFault.UNREACHABLE, "no connection to n1")] * 100
    with pytest.raises(UnavailableError) as caught:
        run(client.ask(name_of(world, "qcto")))
    assert (caught.value.code, caught.value.phase) == ("NOT_REACHABLE", "not-sent")
    assert caught.value.retryable
    assert caught.value.retry_after


def test_a_network_without_endpoints(world: CertifiedWorld, tmp_path: Path) -> None:
    client = make_client(world, tmp_path, nodes=[])
    with pytest.raises(UnavailableError) as caught:
        run(client.ask(name_of(world, "qcto")))
    assert caught.value.code == "NO_ENDPOINTS"
    assert Failover([]).nodes == ()


# Unverified --------------------------------------------------------------------------------------


def test_unverified_reads_believe_everything_and_say_so(
    world: CertifiedWorld, node: FakeNode, client: LedgerClient
) -> None:
    node.bends["get_many"] = bend_state(
        lambda proven: replace(
            proven,
            head=CertifiedHead(world.chain.tip.head.header),
            entries=tuple(
                replace(entry, value=entry.value.replace(b"Quality", b"Quantit"))
                for entry in proven.entries
            ),
        )
    )
    node.bends["get_head"] = lambda _: encode(CertifiedHead(world.chain.tip.head.header))
    proven = run(client.unverified().ask(name_of(world, "qcto")))
    assert proven.value.startswith("Quantit")
    assert not proven.verified
    assert proven.proof == b""
    assert refuse(client, name_of(world, "qcto")).code == "NODE_LIED"
