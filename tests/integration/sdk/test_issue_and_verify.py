# SPDX-License-Identifier: Apache-2.0
"""Story 1 on a real validator, through both faces of the SDK: accredit, issue, verify, revoke."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from psetcloud.demo_network import set_up_demo
from psetledger import (
    Accreditor,
    Draft,
    Issuer,
    PsetError,
    RefusedError,
    UnavailableError,
    Verdict,
    VerificationReport,
    Verifier,
    aio,
)
from psetledger.testing import LocalNetwork, running_network
from sdk.credentials.instants import civil_date_of
from sdk.credentials.template import bundled_template
from sdk.credentials.template_reader import parse_template
from sdk.credentials.values import example_values
from sdk.verifier import verify_without_ledger

POWER = "issue-statement-of-results"
QUALIFICATION = "za:saqa:q:91761"


def today() -> date:
    return civil_date_of(datetime.now(UTC))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalNetwork]:
    """The sample organisations, gaa accredited at site 2."""
    with running_network(tmp_path_factory.mktemp("issuing")) as running:
        set_up_demo(running.directory)
        grant(running, "2")
        yield running


def grant(network: LocalNetwork, site: str) -> str:
    with network.connect("qcto") as client:
        return (
            Accreditor(client)
            .grant(
                "gaa",
                powers=[POWER, "train"],
                qualifications=[QUALIFICATION],
                sites=[site],
                valid=(today() - timedelta(days=700), None),
            )
            .id
        )


def draft(**changes: Any) -> Draft:
    template = parse_template(bundled_template("statement-of-results"))
    return Draft.from_template(
        "statement-of-results@1", example_values(template, today()) | changes
    )


def test_accredit_issue_verify_revoke(network: LocalNetwork, tmp_path: Path) -> None:
    with network.connect("gaa") as college, network.connect() as stranger:
        verifier = Verifier(stranger)
        with Issuer(college, store=tmp_path / "issuer.db") as issuer:
            assert issuer.may_issue("91761", power=POWER, site="2")
            refused = issuer.may_issue("91761", power="certify")
            assert (refused.allowed, refused.code) == (False, "ACCREDITATION_OUT_OF_SCOPE")
            credential = issuer.issue(draft(), record_id="S1")
            assert issuer.issue(draft(), record_id="S1") == credential
            assert issuer.find("S1") == credential
            report = verifier.verify(credential.document)
            assert report.verdict is Verdict.VALID
            assert [link.name.partition(" (")[0] for link in report.chain][-1] == (
                "Gqeberha Artisan Academy"
            )
            assert issuer.suspend("S1", reason="enquiry").applied
            assert verifier.verify(credential.document).code == "SUSPENDED"
            assert issuer.reinstate("S1", reason="cleared").applied
            assert verifier.verify(credential.document).valid
            first = issuer.revoke("S1", reason="correction")
            assert first.applied
            assert issuer.revoke("S1", reason="correction").transaction_id == first.transaction_id
            report = verifier.verify(credential.document)
            assert (report.verdict, report.code) == (Verdict.INVALID, "REVOKED")
            with pytest.raises(RefusedError) as caught:
                issuer.reinstate("S1", reason="cleared")
            assert caught.value.code == "REVOCATION_IS_FINAL"
            with pytest.raises(RefusedError):
                issuer.issue(draft(site="1"), record_id="S2")
            assert issuer.find("S2") is None


def test_withdrawal_keeps_what_was_assessed_before(network: LocalNetwork, tmp_path: Path) -> None:
    grant_id = grant(network, "1")
    year_ago = (today() - timedelta(days=365)).isoformat()
    with network.connect("gaa") as college, Issuer(college, store=tmp_path / "i.db") as issuer:
        before = issuer.issue(draft(site="1", assessed=year_ago), record_id="before")
        on_the_day = issuer.issue(draft(site="1", assessed=today().isoformat()), record_id="on")
        with network.connect("qcto") as council:
            Accreditor(council).withdraw(grant_id, reason="ceased-operations", effective=today())
        with network.connect() as stranger:
            verifier = Verifier(stranger)
            report = verifier.verify(before.document)
            assert report.valid
            assert "withdrawn since" in report.summary
            assert verifier.verify(on_the_day.document).code == "ACCREDITATION_NOT_VALID_THEN"
        with pytest.raises(RefusedError) as caught:
            issuer.issue(draft(site="1"), record_id="after")
        assert caught.value.code == "ACCREDITATION_NOT_VALID_THEN"


def test_the_asynchronous_face(network: LocalNetwork, tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with (
            network.connect_aio("gaa") as college,
            network.connect_aio() as stranger,
            aio.Issuer(college, store=tmp_path / "issuer.db") as issuer,
        ):
            documents = [
                (await issuer.issue(draft(), record_id=f"A{number}")).document
                for number in range(3)
            ]
            await issuer.revoke(["A1"], reason="error")
            reports = aio.Verifier(stranger).verify_many([*documents, b"{}"])
            return [report.code or report.verdict.value async for report in reports]

    assert asyncio.run(story()) == ["valid", "REVOKED", "valid", "MALFORMED"]


def test_kept_facts_are_judged_in_the_calling_thread(
    network: LocalNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with network.connect("gaa") as college, Issuer(college, store=tmp_path / "i.db") as issuer:
        documents = [issuer.issue(draft(), record_id=f"K{n}").document for n in range(2)]
    with network.connect(max_age=timedelta(minutes=5)) as client:
        verifier = Verifier(client)
        assert verifier.verify(documents[0]).valid

        def refuse(coroutine: Coroutine[Any, Any, Any]) -> Any:
            coroutine.close()
            raise AssertionError("the background loop was asked")

        with monkeypatch.context() as patch:
            patch.setattr(client.loop, "run", refuse)
            assert verifier.verify(documents[1]).valid
            assert [report.valid for report in verifier.verify_many(documents)] == [True, True]


def test_one_verifier_serves_many_threads(network: LocalNetwork, tmp_path: Path) -> None:
    with network.connect("gaa") as college, Issuer(college, store=tmp_path / "i.db") as issuer:
        document = issuer.issue(draft(), record_id="T").document
    found: list[VerificationReport] = []
    with network.connect() as client:
        verifier = Verifier(client)

        def work() -> None:
            found.extend(verifier.verify(document) for _ in range(5))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [report.verdict for report in found] == [Verdict.VALID] * 20


def test_asked_about_a_height(network: LocalNetwork, tmp_path: Path) -> None:
    with network.connect("gaa") as college, Issuer(college, store=tmp_path / "i.db") as issuer:
        credential = issuer.issue(draft(), record_id="H")
        before = college.head().height
        issuer.revoke("H", reason="error")
    with network.connect() as client:
        verifier = Verifier(client)
        assert verifier.verify(credential.document).code == "REVOKED"
        # Clocks may differ by minutes, so the moment before it was issued is not told from after.
        report = verifier.verify(credential.document, at=before)
        assert report.valid
        assert "revoked on" in next(check.text for check in report.checks if check.name == "status")


def test_when_the_node_is_gone_it_cannot_be_told(tmp_path: Path) -> None:
    with running_network(tmp_path / "gone") as network:
        set_up_demo(network.directory)
        grant(network, "2")
        with network.connect("gaa") as college, Issuer(college, store=tmp_path / "i.db") as issuer:
            document = issuer.issue(draft(), record_id="G").document
        client = network.connect(timeout=timedelta(seconds=2))
    with client:
        report = Verifier(client).verify(document)
    assert (report.verdict, report.code) == (Verdict.UNKNOWN, "NO_CONNECTION")
    with pytest.raises(UnavailableError) as caught:
        network.connect(timeout=timedelta(seconds=2))
    report = verify_without_ledger(document, caught.value)
    assert (report.verdict, report.code) == (Verdict.UNKNOWN, "NO_CONNECTION")
    assert verify_without_ledger(b"{}", caught.value).code == "MALFORMED"
    no_root = PsetError("none", code="NO_TRUST_ROOT", remedy="add it")
    report = verify_without_ledger(document, no_root)
    assert (report.verdict, report.code) == (Verdict.UNKNOWN, "NO_TRUST_ROOT")
