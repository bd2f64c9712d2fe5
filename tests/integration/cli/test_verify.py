# SPDX-License-Identifier: Apache-2.0
"""`pset verify` on a network: what it reads, what it says, how it ends."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.wording import SOUTH_AFRICA
from psetledger.testing import LocalNetwork
from tests.support.pset_runs import Pset, run
from tests.support.unreachable import copy_unreachable


@pytest.fixture(scope="module")
def documents(pset: Pset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A valid, a revoked and a damaged credential."""
    directory = tmp_path_factory.mktemp("documents")
    first = datetime.now(SOUTH_AFRICA).date() - timedelta(days=400)
    pset.done(
        *("accreditation", "grant", "gaa", "--power", "issue-statement-of-results"),
        *("--qualification", "91761", "--site", "2", "--from", first.isoformat(), "--as", "qcto"),
    )
    example = pset.words("credential", "template", "show", "statement-of-results", "--example")
    (directory / "learner.json").write_text(example.stdout)
    for name in ("valid", "revoked"):
        pset.done(
            *("credential", "issue", str(directory / "learner.json")),
            *("--template", "statement-of-results", "--record-id", name),
            *("--out", str(directory / f"{name}.vc.json"), "--as", "gaa"),
        )
    pset.done("credential", "revoke", "--record-id", "revoked", "--reason", "error", "--as", "gaa")
    (directory / "damaged.vc.json").write_bytes((directory / "valid.vc.json").read_bytes()[:-40])
    return {path.name.removesuffix(".vc.json"): path for path in directory.glob("*.vc.json")}


def test_the_first_word_is_the_verdict(pset: Pset, documents: dict[str, Path]) -> None:
    for name, word, code in (("valid", "VALID ", 0), ("revoked", "INVALID ", 1)):
        ended = pset.words("verify", str(documents[name]))
        assert ended.stdout.startswith(word)
        assert ended.exit == code
        assert "name vouched by" in ended.stdout or name == "revoked"
    assert "NOT SHOWN BY THIS CHECK" in pset.words("verify", str(documents["valid"])).stdout


def test_json_is_the_report(pset: Pset, documents: dict[str, Path]) -> None:
    ended = pset("verify", str(documents["valid"]))
    assert ended.envelope["kind"] == "VerificationReport"
    assert (ended.data["verdict"], ended.data["code"]) == ("valid", None)
    assert ended.data["facts_from"] == "network"
    assert ended.data["claims"]["age_over_18"] is True
    outcomes = {check["name"]: check["outcome"] for check in ended.data["checks"]}
    assert outcomes["registered"] == "warn"
    assert ended.stderr == ""


def test_the_proof_of_all_that_the_reports_rest_on(
    pset: Pset, documents: dict[str, Path], tmp_path: Path
) -> None:
    """One file for all sources; it passes the check without a network, and names no credential."""
    file = tmp_path / "facts.proof"
    credential_id = json.loads(documents["valid"].read_bytes())["id"]
    for names, count in ((["valid"], 1), (["valid", "revoked", "damaged", "valid"], 2)):
        ended = pset("verify", *(str(documents[name]) for name in names), "--proof", str(file))
        assert ended.exit == (0 if names == ["valid"] else 1)
        copy = copy_unreachable(pset.network, tmp_path / f"copy{count}")
        checked = run("--network", str(copy), "ledger", "check-proof", str(file), "-o", "json")
        assert (checked.exit, checked.envelope["verified"]) == (0, True)
        keys = [entry["key"] for entry in checked.data["entries"]]
        issuer = pset.done("org", "show", "gaa")["did"]
        for wanted in (f"did/{issuer}", f"organisation/{issuer}", f"grants-by-grantee/{issuer}"):
            assert wanted in keys
        for kind in ("grant/", "status-list/", "status-chunk/", "resource-name/"):
            assert any(key.startswith(kind) for key in keys), kind
        assert credential_id not in checked.stdout
    data = file.read_bytes()
    for at in range(0, len(data), len(data) // 40):
        file.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        damaged = pset("ledger", "check-proof", str(file))
        assert (damaged.exit, damaged.error["code"]) == (5, "PROOF_DAMAGED")


def test_a_verdict_that_rests_on_nothing_of_the_ledger_has_no_proof(
    pset: Pset, documents: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "facts.proof"
    damaged = pset.words("verify", str(documents["damaged"]), "--proof", str(file))
    assert damaged.exit == 1
    copy = copy_unreachable(pset.network, tmp_path / "copy")
    alone = ("verify", str(documents["valid"]), "--proof", str(file))
    unknown = run("--home", str(pset.home), "--network", str(copy), *alone)
    assert unknown.exit == 4
    for ended in (damaged, unknown):
        assert "no proof saved" in ended.stderr
    assert not file.exists()


def test_of_many_a_line_each_and_the_worst_exit_code(
    pset: Pset, documents: dict[str, Path]
) -> None:
    files = [str(documents[name]) for name in ("valid", "revoked", "damaged")]
    ended = pset("verify", *files)
    assert ended.exit == 1
    verdicts = [(item["data"]["source"], item["data"]["verdict"]) for item in ended.envelopes]
    assert verdicts == list(zip(files, ("valid", "invalid", "invalid"), strict=True))
    words = pset.words("verify", *files).stdout.splitlines()
    assert [line.split()[0] for line in words] == ["VALID", "INVALID", "INVALID"]
    assert all(file in line for file, line in zip(files, words, strict=True))
    assert pset("verify", files[0], files[0]).exit == 0


def test_reads_standard_input_and_pasted_text(
    pset: Pset, documents: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = documents["valid"].read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert pset("verify", "-").data["verdict"] == "valid"
    assert pset("verify", content.decode()).data["verdict"] == "valid"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (("nowhere.vc.json",), "SOURCE_NOT_FOUND"),
        (("{directory}",), "SOURCE_IS_DIRECTORY"),
        (("-", "-"), "SOURCE_REPEATED"),
        ((), "USAGE"),
    ],
)
def test_a_source_that_is_none_is_found_before_anything_is_verified(
    pset: Pset, documents: dict[str, Path], source: tuple[str, ...], code: str
) -> None:
    valid = documents["valid"]
    names = {"valid": str(valid), "directory": str(valid.parent)}
    ended = pset("verify", *(item.format(**names) for item in source))
    assert (ended.exit, ended.error["code"], ended.stdout) == (2, code, "")


def test_a_bad_source_among_several_has_a_line_of_its_own(
    pset: Pset, documents: dict[str, Path]
) -> None:
    ended = pset("verify", "nowhere.vc.json", str(documents["valid"]))
    assert ended.exit == 2
    bad, good = ended.envelopes
    assert (bad["kind"], bad["data"]["code"]) == ("SourceError", "SOURCE_NOT_FOUND")
    assert good["data"]["verdict"] == "valid"


def test_options_reach_the_policy(pset: Pset, documents: dict[str, Path]) -> None:
    valid = str(documents["valid"])
    assert pset("verify", valid, "--strict").exit == 0
    anchor = pset("verify", valid, "--require", "anchor")
    assert (anchor.exit, anchor.data["code"]) == (1, "NOT_ANCHORED_IN_TIME")
    both = pset("verify", valid, "--require", "anchor", "--require", "holder")
    assert {check["name"] for check in both.data["checks"] if check["outcome"] == "fail"} == {
        "registered",
        "holder",
    }
    # Not yesterday: shortly after midnight a verifier allows for the difference of two clocks.
    earlier = (datetime.now(SOUTH_AFRICA).date() - timedelta(days=2)).isoformat()
    early = pset("verify", valid, "--at", earlier)
    assert (early.exit, early.data["code"]) == (1, "NOT_YET_VALID")
    language = pset("verify", valid, "--lang", "xh")
    assert (language.exit, language.error["code"]) == (2, "LANGUAGE_UNKNOWN")


def test_explain_shows_the_chain_and_the_evidence(pset: Pset, documents: dict[str, Path]) -> None:
    words = pset.words("verify", str(documents["revoked"]), "--explain").stdout
    assert "CHAIN OF AUTHORITY" in words
    assert "Qualifications Authority" in words
    assert "pset explain REVOKED" in words
    assert "eddsa-jcs-2022" in words


def test_a_receipt_names_no_learner(pset: Pset, documents: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    pset("verify", str(documents["valid"]), "--receipt", str(file))
    text = file.read_text()
    receipt: dict[str, Any] = json.loads(text)
    assert receipt["report"]["verdict"] == "valid"
    assert receipt["report"]["claims"] == {}
    assert "Learner" not in text
    assert "valid.vc.json" not in text
    assert receipt["delete_after"] > receipt["checked_at"][:10]
    pset("verify", str(documents["valid"]), str(documents["revoked"]), "--receipt", str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [item["report"]["verdict"] for item in lines] == ["valid", "invalid"]
    assert lines[0]["document_sha256"] == receipt["document_sha256"]


class TestWithoutALedger:
    """UNKNOWN is not INVALID: exit code 4, and a remedy."""

    def test_offline_touches_no_network(self, documents: dict[str, Path], tmp_path: Path) -> None:
        # There is no network at all here: whoever looked for one would find NO_TRUST_ROOT.
        ended = run(
            *("--home", str(tmp_path), "verify", str(documents["valid"]), "--offline"),
            *("-o", "json"),
        )
        assert ended.exit == 4
        assert (ended.data["verdict"], ended.data["code"]) == ("unknown", "NO_CONNECTION")
        assert (ended.data["facts_from"], ended.data["claims"]) == ("none", {})
        assert "--offline" in ended.data["next_step"]
        words = run("--home", str(tmp_path), "verify", str(documents["valid"]), "--offline")
        assert words.stdout.startswith("CANNOT TELL")

    def test_no_trust_root(self, documents: dict[str, Path], tmp_path: Path) -> None:
        ended = run("--home", str(tmp_path), "verify", str(documents["valid"]), "-o", "json")
        assert (ended.exit, ended.data["code"]) == (4, "NO_TRUST_ROOT")
        assert "network add" in ended.data["next_step"]

    def test_nobody_answers(
        self, documents: dict[str, Path], demo_network: LocalNetwork, tmp_path: Path
    ) -> None:
        directory = copy_unreachable(demo_network.directory, tmp_path / "network")
        ended = run(
            *("--home", str(tmp_path), "--network", str(directory), "--timeout", "1s"),
            *("verify", str(documents["valid"]), str(documents["damaged"]), "-o", "json"),
        )
        # What is no credential is found without a ledger, and that is the worse of the two.
        assert ended.exit == 1
        verdicts = [(item["data"]["verdict"], item["data"]["code"]) for item in ended.envelopes]
        assert verdicts == [("unknown", "NO_CONNECTION"), ("invalid", "MALFORMED")]

    def test_a_network_that_was_misspelt_is_an_error(
        self, documents: dict[str, Path], tmp_path: Path
    ) -> None:
        ended = run(
            *("--home", str(tmp_path), "--network", "zzz", "verify", str(documents["valid"])),
            *("-o", "json"),
        )
        assert (ended.exit, ended.error["code"]) == (2, "NETWORK_UNKNOWN")

    def test_another_network_cannot_tell(
        self, pset: Pset, documents: dict[str, Path], tmp_path: Path
    ) -> None:
        document = json.loads(documents["valid"].read_bytes())
        other = json.dumps(document).replace("did:pset:dev:", "did:pset:za:")
        file = tmp_path / "other.vc.json"
        file.write_text(other)
        ended = pset("verify", str(file))
        assert (ended.exit, ended.data["code"]) == (4, "OTHER_NETWORK")
