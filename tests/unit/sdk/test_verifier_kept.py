# SPDX-License-Identifier: Apache-2.0
"""What a verifier remembers, for how long, and what it never answers from memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sdk.credentials.status_list import REVOCATION
from sdk.results import Verdict
from tests.support.issuing_world import (
    CERTIFICATE,
    IssuingWorld,
)

ISSUED = datetime(2026, 5, 20, 8, 30, tzinfo=UTC)


@pytest.fixture
def world() -> IssuingWorld:
    return IssuingWorld()


# ---- what is kept


def test_a_revocation_counts_at_once_with_a_client_that_keeps_nothing(
    world: IssuingWorld,
) -> None:
    document = world.issue()
    assert world.verify(document).valid
    world.set_status(REVOCATION)
    assert world.verify(document).code == "REVOKED"


def test_unchanged_state_is_not_read_again(world: IssuingWorld) -> None:
    document = world.issue()
    world.verify(document)
    rounds = world.reader.rounds_count
    world.world.run_block([])
    report = world.verify(document)
    assert world.reader.rounds_count == rounds
    assert report.as_of == datetime.fromtimestamp(world.world.time / 1000, UTC)


def test_facts_serve_as_long_as_the_client_allows(world: IssuingWorld) -> None:
    document = world.issue()
    assert world.verifier.verify_kept(document) is None
    world.verify(document)
    assert world.verifier.verify_kept(document) is None
    world.reader.remembers_for = timedelta(hours=1)
    kept = world.verifier.verify_kept(document)
    assert kept is not None
    assert kept.valid
    asked = world.reader.asked_count
    world.verify(document)
    assert world.reader.asked_count == asked
    world.reader.seen_height += 1  # the client has certified something newer
    assert world.verifier.verify_kept(document) is None
    world.verify(document)
    assert world.reader.asked_count == asked + 1


def test_what_is_malformed_needs_no_network(world: IssuingWorld) -> None:
    report = world.verifier.verify_kept(b"{}")
    assert report is not None
    assert report.code == "MALFORMED"


def test_a_revoked_credential_is_never_answered_from_memory(world: IssuingWorld) -> None:
    document = world.issue()
    world.set_status(REVOCATION)
    world.reader.remembers_for = timedelta(hours=1)
    world.verify(document)
    assert world.verifier.verify_kept(document) is None
    assert world.verify(document).code == "REVOKED"


def test_many_documents_of_one_issuer_ask_once(world: IssuingWorld) -> None:
    import asyncio

    async def verify_all() -> list[Verdict]:
        documents = [world.issue(given_name=name) for name in ("Ann", "Ben", "Cat")]
        return [report.verdict async for report in world.verifier.verify_many([*documents, b"{}"])]

    assert asyncio.run(verify_all()) == [Verdict.VALID] * 3 + [Verdict.INVALID]
    assert world.reader.asked_count == 1


def test_facts_kept_are_limited(world: IssuingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdk.aio_verifier.KNOWN_FACTS_COUNT_MAX", 1)
    world.reader.remembers_for = timedelta(hours=1)
    document = world.issue()
    world.verify(document)
    assert world.verifier.verify_kept(document) is not None
    world.verify(world.issue(issuer="qcto", template=CERTIFICATE))
    assert world.verifier.verify_kept(document) is None
