# SPDX-License-Identifier: Apache-2.0
"""What a client reads from a ledger: organisations, DIDs and resources, now and as they stood then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.model.identifiers import resource_url
from ledger.model.keys import KeyRole, KeyType
from ledger.model.operations import (
    Code,
    ResourceType,
    RotateKey,
    Service,
    UpdateDid,
)
from ledger.model.records import KeyRecord
from sdk.aio_client import LedgerClient
from sdk.did_documents import is_key_valid
from sdk.errors import CallerError
from sdk.moments import to_instant
from sdk.proof_files import check_proof
from sdk.results import Proven
from tests.support.certified_world import CertifiedWorld, make_client
from tests.support.ledger_execution import DAY_MS, ELECTRICIAN, electrician
from tests.support.ledger_world import make_organisation

PROVIDER_POWERS = "train assess-internally"


@pytest.fixture
def world() -> CertifiedWorld:
    return CertifiedWorld()


@pytest.fixture
def client(world: CertifiedWorld, tmp_path: Path) -> LedgerClient:
    return make_client(world, tmp_path)


def run(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())


def refuse(code: str, awaitable: Awaitable[Any]) -> CallerError:
    with pytest.raises(CallerError) as caught:
        run(awaitable)
    assert caught.value.code == code
    assert caught.value.remedy
    return caught.value


def holds(world: CertifiedWorld, proven: Proven[Any]) -> None:
    """The proof of an answer checks against the genesis alone, and is of the height it names."""
    assert proven.verified
    checked = check_proof(proven.proof, world.trust)
    assert (checked.height, to_instant(checked.time_ms)) == (proven.height, proven.as_of)


def today(world: CertifiedWorld) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + world.today)


# Organisations -----------------------------------------------------------------------------------


def test_an_organisation_by_did_short_name_and_code(
    world: CertifiedWorld, client: LedgerClient
) -> None:
    world.organisations.pop("gaa", None)
    world.endorse("gaa")
    world.add_site("gaa", "1")
    by_name = run(client.organisation("gaa"))
    holds(world, by_name)
    assert by_name.value == run(client.organisation(world.did("gaa"))).value
    assert by_name.value.to_dict() == {
        "did": world.did("gaa"),
        "name": "Gqeberha Artisan Academy (sample)",
        "short_name": "gaa",
        "vouched_by": world.did("qcto"),
        "type": "provider",
        "codes": {},
        "sites": {"1": "Sample site 1"},
        "status": "active",
        "successor": None,
    }


def test_an_organisation_by_its_vouched_code(world: CertifiedWorld, client: LedgerClient) -> None:
    organisation = replace(
        make_organisation("gaa", network=world.genesis.network), codes=(Code("qcto", "SDP-0142"),)
    )
    world.organisations["gaa"] = organisation
    world.apply("qcto", world.endorsement(organisation))
    held = run(client.organisation("qcto:SDP-0142"))
    holds(world, held)
    assert held.value.did == organisation.did
    assert held.value.codes == {"qcto": "SDP-0142"}


@pytest.mark.parametrize(
    ("org", "code"),
    [
        ("nobody", "ORGANISATION_UNKNOWN"),
        ("qcto:SDP-9999", "ORGANISATION_UNKNOWN"),
        ("did:pset:test:3vQB7B6MrGQZaxCuFg4oh", "ORGANISATION_MALFORMED"),
        ("did:web:example.org", "ORGANISATION_MALFORMED"),
        ("Two words", "ORGANISATION_MALFORMED"),
        ("", "ORGANISATION_MALFORMED"),
        ("../saqa", "ORGANISATION_MALFORMED"),
    ],
)
def test_what_is_no_organisation(client: LedgerClient, org: str, code: str) -> None:
    refuse(code, client.organisation(org))


def test_an_organisation_of_another_network(client: LedgerClient) -> None:
    other = make_organisation("qcto", network="other").did
    refuse("OTHER_NETWORK", client.organisation(other))


def test_an_organisation_as_it_stood_then(world: CertifiedWorld, client: LedgerClient) -> None:
    before = world.header.height
    world.endorse("gaa")
    endorsed = world.header.height
    world.skip_to("2026-03-01")
    world.add_site("gaa", "1")
    refuse("ORGANISATION_UNKNOWN", client.organisation("gaa", at=before))
    assert run(client.organisation("gaa", at=endorsed)).value.sites == {}
    assert run(client.organisation("gaa", at=date(2026, 2, 28))).value.sites == {}
    assert run(client.organisation("gaa", at=date(2026, 3, 1))).value.sites == {
        "1": "Sample site 1"
    }
    instant = to_instant(world.header.time)
    held = run(client.organisation("gaa", at=instant))
    assert held.value.sites
    assert not run(client.organisation("gaa", at=instant - timedelta(milliseconds=1))).value.sites
    holds(world, held)


def test_moments_that_cannot_be_asked_about(world: CertifiedWorld, client: LedgerClient) -> None:
    refuse("AT_IN_FUTURE", client.organisation("qcto", at=today(world) + timedelta(days=2)))
    later = to_instant(world.time + DAY_MS)
    refuse("AT_IN_FUTURE", client.organisation("qcto", at=later))
    refuse("TIME_ZONE_MISSING", client.organisation("qcto", at=later.replace(tzinfo=None)))
    refuse("DATE_OUT_OF_RANGE", client.organisation("qcto", at=date(1969, 12, 31)))
    refuse("HEIGHT_UNKNOWN", client.organisation("qcto", at=world.header.height + 1))
    refuse("HEIGHT_UNKNOWN", client.organisation("qcto", at=-1))
    # Genesis was certified by nobody: no node could prove when it was.
    refuse("HEIGHT_UNKNOWN", client.organisation("qcto", at=0))
    refuse("HEIGHT_UNKNOWN", client.block(0))
    assert run(client.organisation("qcto", at=today(world))).value


def test_lists_of_organisations(world: CertifiedWorld, client: LedgerClient) -> None:
    world.endorse("gaa")
    names = [held.short_name for held in run(client.organisations()).value]
    assert names == ["saqa", "che", "umalusi", "qcto", "gaa"]
    providers = run(client.organisations("provider"))
    assert [held.short_name for held in providers.value] == ["gaa"]
    holds(world, providers)
    assert run(client.organisations("employer")).value == []


# DIDs --------------------------------------------------------------------------------------------


def test_a_did_document(world: CertifiedWorld, client: LedgerClient) -> None:
    did = world.did("qcto")
    proven = run(client.did_document(did))
    holds(world, proven)
    document = proven.value
    assert document["@context"][0] == "https://www.w3.org/ns/did/v1"
    assert document["id"] == did
    assert [method["id"] for method in document["verificationMethod"]] == [
        f"{did}#admin",
        f"{did}#ledger",
        f"{did}#issue",
    ]
    assert {method["type"] for method in document["verificationMethod"]} == {"Multikey"}
    assert all(m["publicKeyMultibase"].startswith("z6Mk") for m in document["verificationMethod"])
    assert document["assertionMethod"] == [f"{did}#issue"]
    assert document["authentication"] == [f"{did}#ledger"]
    assert document["capabilityInvocation"] == [f"{did}#admin"]
    assert "service" not in document


def test_keys_and_services_of_a_did_over_time(world: CertifiedWorld, client: LedgerClient) -> None:
    did = world.did("qcto")
    organisation = world.organisations["qcto"]
    start = world.header.height
    world.apply(
        "qcto",
        UpdateDid(
            did=did,
            expected_version=world.did_record("qcto").version,
            set_services=(Service("status", "StatusService", "https://qcto.example/status"),),
        ),
        keys=("admin",),
    )
    serviced = world.header.height
    world.apply(
        "qcto",
        RotateKey(
            did=did,
            expected_version=world.did_record("qcto").version,
            retired_key_id="issue",
            new_key=organisation.new_key("issue-2", KeyRole.ISSUE),
            compromised_since=world.time - 500,
        ),
        keys=("admin",),
    )
    now = run(client.did_document(did)).value
    assert now["assertionMethod"] == [f"{did}#issue-2"]
    assert f"{did}#issue" not in [method["id"] for method in now["verificationMethod"]]
    assert now["service"] == [
        {
            "id": f"{did}#status",
            "type": "StatusService",
            "serviceEndpoint": "https://qcto.example/status",
        }
    ]
    then = run(client.did_document(did, at=start)).value
    assert then["assertionMethod"] == [f"{did}#issue"]
    assert "service" not in then
    assert "service" in run(client.did_document(did, at=serviced)).value
    history = run(client.did_history(did))
    holds(world, history)
    keys = {key.key_id: key for key in history.value.keys}
    assert list(keys) == ["admin", "ledger", "issue", "issue-2"]
    assert keys["issue"].compromised_since is not None
    assert keys["issue-2"].valid_until is None
    assert history.value.version == 3
    assert history.value.to_dict()["keys"][0]["role"] == "admin"


@pytest.mark.parametrize(
    ("time_ms", "valid"), [(9, False), (10, True), (14, True), (15, False), (20, False)]
)
def test_a_key_counts_in_its_term_and_until_it_was_compromised(time_ms: int, valid: bool) -> None:
    key = KeyRecord("k", KeyRole.ISSUE, KeyType.ED25519, b"", 10, 20, compromised_since=15)
    assert is_key_valid(key, time_ms) is valid
    assert is_key_valid(replace(key, compromised_since=0), time_ms) is (10 <= time_ms < 20)
    assert is_key_valid(replace(key, compromised_since=0, valid_until=0), 10**15)


def test_what_is_no_did(world: CertifiedWorld, client: LedgerClient) -> None:
    unknown = make_organisation("gaa", network=world.genesis.network).did
    refuse("DID_UNKNOWN", client.did_document(unknown))
    refuse("DID_MALFORMED", client.did_document("did:web:example.org"))
    refuse("DID_MALFORMED", client.did_document("qcto"))
    height = world.header.height
    world.endorse("gaa")
    refuse("DID_UNKNOWN", client.did_document(unknown, at=height))


# Resources ---------------------------------------------------------------------------------------


def test_a_resource_by_name_version_and_url(world: CertifiedWorld, client: LedgerClient) -> None:
    world.register_electrician()
    first = run(client.resource(ELECTRICIAN))
    holds(world, first)
    assert (first.value.name, first.value.type, first.value.version) == (
        ELECTRICIAN,
        "Qualification",
        "1",
    )
    assert first.value.content == electrician()
    assert first.value.superseded_by is None
    height = world.header.height
    world.apply(
        "saqa",
        world.publish(
            "saqa",
            ELECTRICIAN,
            ResourceType.QUALIFICATION,
            electrician(status="registered"),
            expected_version=1,
        ),
    )
    second = run(client.resource(ELECTRICIAN)).value
    assert second.version == "2"
    old = run(client.resource(f"{ELECTRICIAN}@1")).value
    assert old == run(client.resource(first.value.url)).value
    assert (old.superseded_by, old.content) == (second.url, electrician())
    then = run(client.resource(ELECTRICIAN, at=height)).value
    assert then == first.value
    assert run(client.resource(first.value.url, at=height)).value.superseded_by is None
    refuse("RESOURCE_UNKNOWN", client.resource(ELECTRICIAN, at=height - 1))
    refuse("RESOURCE_UNKNOWN", client.resource(f"{ELECTRICIAN}@2", at=height))
    listed = run(client.resources("Qualification"))
    holds(world, listed)
    assert [held.url for held in listed.value] == [second.url]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("za:saqa:q:91762", "RESOURCE_UNKNOWN"),
        ("statement-of-results@7", "RESOURCE_UNKNOWN"),
        ("statement-of-results@0", "RESOURCE_NAME_MALFORMED"),
        ("statement-of-results@", "RESOURCE_NAME_MALFORMED"),
        ("Two Words", "RESOURCE_NAME_MALFORMED"),
        ("", "RESOURCE_NAME_MALFORMED"),
    ],
)
def test_what_is_no_resource(client: LedgerClient, name: str, code: str) -> None:
    refuse(code, client.resource(name))


def test_urls_of_resources(world: CertifiedWorld, client: LedgerClient) -> None:
    refuse("RESOURCE_UNKNOWN", client.resource(resource_url(world.did("saqa"), bytes(16))))
    other = make_organisation("saqa", network="other").did
    refuse("OTHER_NETWORK", client.resource(resource_url(other, bytes(16))))
    refuse("RESOURCE_TYPE_UNKNOWN", client.resources("Recipe"))
