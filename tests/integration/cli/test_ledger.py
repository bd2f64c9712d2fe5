# SPDX-License-Identifier: Apache-2.0
"""`pset ledger` and `pset schema` against a real validator: raw records, blocks, proof files."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from psetledger.testing import running_network
from sdk.networks import read_network
from tests.support.pset_runs import Pset

LABELS = {"languages": {"en": {"za:x": "X"}}}


@pytest.fixture(scope="module")
def proof_file(pset: Pset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("proofs") / "qcto.proof"
    assert pset("ledger", "get", "short-name/qcto", "--proof", str(file)).exit == 0
    return file


def test_head_and_blocks(pset: Pset, tmp_path: Path) -> None:
    proof = tmp_path / "head.proof"
    ended = pset("ledger", "head", "--proof", str(proof))
    head = ended.data
    assert ended.envelope["height"] == head["height"]
    assert head["signers"] == ["n1"]
    assert pset("ledger", "check-proof", str(proof)).envelope["height"] == head["height"]
    heights = range(1, head["height"] + 1)
    blocks = [pset.done("ledger", "block", str(height)) for height in heights]
    assert [block["height"] for block in blocks] == list(heights)
    for parent, block in pairwise(blocks):
        assert block["parent_hash"] == parent["block_hash"]
    codes = {code for block in blocks for code in block["codes"]}
    assert codes == {"APPLIED"}
    beyond = pset("ledger", "block", str(head["height"] + 1000))
    assert (beyond.exit, beyond.error["code"]) == (2, "HEIGHT_UNKNOWN")
    assert pset("ledger", "block", "0").error["code"] == "USAGE"


def test_the_proof_of_a_block_holds_all_of_it(pset: Pset, tmp_path: Path) -> None:
    file = tmp_path / "block.proof"
    height = pset.done("ledger", "head")["height"]
    block = pset.done("ledger", "block", str(height), "--proof", str(file))
    assert block["tx_count"]
    checked = pset("ledger", "check-proof", str(file))
    assert (checked.exit, checked.envelope["verified"]) == (0, True)
    assert checked.data["block"] == block
    words = pset.words("ledger", "check-proof", str(file)).stdout
    assert "PROVEN    a block" in words
    assert block["transactions"][0] in words
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    damaged = pset("ledger", "check-proof", str(file))
    assert (damaged.exit, damaged.error["code"]) == (5, "PROOF_DAMAGED")


def test_the_proof_that_there_is_none_of_it(pset: Pset, tmp_path: Path) -> None:
    file = tmp_path / "absent.proof"
    for arguments, code, key in (
        (("org", "show", "nobody"), "ORGANISATION_UNKNOWN", "short-name/nobody"),
        (("accreditation", "show", "nothing"), "GRANT_UNKNOWN", "grant/nothing"),
        (("schema", "show", "nothing"), "RESOURCE_UNKNOWN", "resource-name/nothing"),
    ):
        ended = pset(*arguments, "--proof", str(file))
        assert (ended.exit, ended.error["code"]) == (2, code)
        entries = pset.done("ledger", "check-proof", str(file))["entries"]
        held = {entry["key"]: entry["present"] for entry in entries}
        assert held[key] is False
        file.unlink()


def test_who_asks_for_a_proof_that_there_cannot_be_is_told(pset: Pset, tmp_path: Path) -> None:
    file = tmp_path / "none.proof"
    ended = pset.words("ledger", "tx", "ab" * 32, "--proof", str(file))
    assert ended.exit == 4
    assert "no proof saved" in ended.stderr
    assert not file.exists()
    nowhere = pset("ledger", "head", "--proof", str(tmp_path / "none" / "head.proof"))
    assert (nowhere.exit, nowhere.error["code"]) == (2, "FILE_UNWRITABLE")
    assert nowhere.stdout == ""


def test_a_record_by_its_key(pset: Pset) -> None:
    did = pset.done("org", "show", "qcto")["did"]
    for key, kind in (
        ("short-name/qcto", "ReferenceRecord"),
        (f"did/{did}", "DidRecord"),
        (f"organisation/{did}", "OrganisationRecord"),
        ("organisations/3", "ReferenceRecord"),
        (f"grants-by-grantee/{did}", "ListRecord"),
        ("resource-name/za:saqa:q:91761", "ResourceNameRecord"),
        ("resources/CredentialTemplate", "ListRecord"),
        ("validators", "ListRecord"),
        ("parameter/rules", "Parameter"),
    ):
        ended = pset("ledger", "get", key)
        assert ended.exit == 0, key
        assert (ended.data["key"], ended.data["type"]) == (key, kind)
        assert ended.data["record"]
    rules = pset.done("ledger", "get", "parameter/rules")["record"]
    assert rules["AddSite"]["all"]


def test_absence_is_proven_too(pset: Pset, tmp_path: Path) -> None:
    proof = tmp_path / "absent.proof"
    ended = pset("ledger", "get", "grant/nothing", "--proof", str(proof))
    assert (ended.exit, ended.data["present"], ended.data["record"]) == (1, False, None)
    (entry,) = pset.done("ledger", "check-proof", str(proof))["entries"]
    assert (entry["key"], entry["present"]) == ("grant/nothing", False)
    words = pset.words("ledger", "get", "grant/nothing")
    assert words.exit == 1
    assert "nothing is there, and that is proven" in words.stdout


def test_a_proof_needs_no_network(pset: Pset, proof_file: Path, tmp_path: Path) -> None:
    """Nobody listens at the only endpoint of this copy, and nobody is asked."""
    source = read_network(pset.network)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "genesis.json").write_bytes((pset.network / "genesis.json").read_bytes())
    document = json.loads((pset.network / "network.json").read_bytes())
    document["endpoints"] = [{"validator": "n1", "address": "127.0.0.1:9"}]
    (copy / "network.json").write_text(json.dumps(document))
    checked = Pset(copy, pset.home)("ledger", "check-proof", str(proof_file))
    assert checked.exit == 0
    assert checked.envelope["verified"] is True
    assert checked.data["chain_id"] == source.chain_id


def test_no_flipped_bit_is_accepted(pset: Pset, proof_file: Path, tmp_path: Path) -> None:
    """A sample of them here; every one in the SDK's own tests."""
    good = proof_file.read_bytes()
    damaged = tmp_path / "damaged.proof"
    for position in range(0, len(good), 37):
        changed = bytearray(good)
        changed[position] ^= 1 << position % 8
        damaged.write_bytes(changed)
        ended = pset("ledger", "check-proof", str(damaged))
        assert (ended.exit, ended.error["code"], ended.stdout) == (5, "PROOF_DAMAGED", ""), position
    damaged.write_bytes(good[:-40])
    assert pset("ledger", "check-proof", str(damaged)).exit == 5
    assert pset("ledger", "check-proof", str(tmp_path / "nothing")).exit == 2


def test_a_proof_of_another_network_cannot_be_judged(proof_file: Path, tmp_path: Path) -> None:
    with running_network(tmp_path) as other:
        ended = Pset(other.directory, other.home)("ledger", "check-proof", str(proof_file))
    assert (ended.exit, ended.error["code"]) == (4, "OTHER_NETWORK")


def test_documents_and_their_versions(pset: Pset, tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(LABELS))
    publish = ("schema", "publish", str(file), "--name", "my-labels", "--as", "qcto")
    typed = ("--type", "display-bundle")
    assert pset(*publish, *typed, "--dry-run").data["dry_run"] is True
    assert pset("schema", "show", "my-labels").error["code"] == "RESOURCE_UNKNOWN"
    first = pset.done(*publish, *typed)
    assert (first["name"], first["resource"], first["version"]) == ("APPLIED", "my-labels", "1")
    second = pset.done(*publish, *typed)
    assert second["version"] == "2"
    shown = pset.done("schema", "show", "my-labels")
    assert (shown["version"], shown["content"], shown["url"]) == ("2", LABELS, second["url"])
    old = pset.done("schema", "show", "my-labels@1")
    assert old["superseded_by"] == second["url"]
    assert pset.done("schema", "show", first["url"]) == old
    assert pset("schema", "show", "my-labels@3").error["code"] == "RESOURCE_UNKNOWN"
    taken = pset(*publish[:-1], "saqa", *typed)
    assert (taken.exit, taken.error["code"]) == (3, "RESOURCE_NAME_TAKEN")
    found = pset.done("schema", "list", "--type", "DisplayBundle")["resources"]
    assert {(item["name"], item["version"], item["publisher"]) for item in found} == {
        ("za-labels", "1", "saqa"),
        ("my-labels", "2", "qcto"),
    }
    everything = pset.done("schema", "list")["resources"]
    assert {item["type"] for item in everything} == {
        "CredentialTemplate",
        "DisplayBundle",
        "Qualification",
    }


@pytest.mark.parametrize(
    ("content", "resource_type", "code", "exit_code"),
    [
        ("{", "DisplayBundle", "CONTENT_MALFORMED", 2),
        ("[1]", "DisplayBundle", "CONTENT_MALFORMED", 2),
        ("{}", "DisplayBundle", "RESOURCE_CONTENT_INVALID", 3),
        ("{}", "Nothing", "USAGE", 2),
        (json.dumps({"languages": {"en": {"a": "8001015009087"}}}), "DisplayBundle", "", 3),
    ],
)
def test_what_cannot_be_published(
    pset: Pset, tmp_path: Path, content: str, resource_type: str, code: str, exit_code: int
) -> None:
    file = tmp_path / "content.json"
    file.write_text(content)
    before = pset.done("ledger", "head")["state_root"]
    ended = pset(
        *("schema", "publish", str(file), "--name", "bad", "--type", resource_type, "--as", "qcto")
    )
    assert (ended.exit, ended.error["code"]) == (exit_code, code or "PERSONAL_DATA")
    assert pset.done("ledger", "head")["state_root"] == before


def test_the_demonstration_is_what_it_says(pset: Pset) -> None:
    """The set-up that every story begins with: no provider is accredited yet."""
    names = [item["short_name"] for item in pset.done("org", "list")["organisations"]]
    assert names == ["saqa", "che", "umalusi", "qcto", "merseta", "gaa", "ttc", "bontle", "nmu"]
    assert pset.done("org", "show", "gaa")["sites"].keys() == {"1", "2"}
    assert all("(sample)" in name for name in pset.done("org", "show", "gaa")["sites"].values())
    grants = pset.done("accreditation", "list", "qcto")["accreditations"]
    assert sorted(grant["powers"] for grant in grants) == [
        ["accredit-provider", "delegate", "recommend-qualification"],
        ["certify"],
    ]
    assert pset.done("accreditation", "list", "gaa")["accreditations"] == []
    qualification = pset.done("schema", "show", "za:saqa:q:91761")["content"]
    assert (qualification["credits"], qualification["sub_framework"]) == (360, "OQSF")
    labels = pset.done("schema", "show", "za-labels")["content"]["languages"]["en"]
    assert labels["za:province:EC"] == "Eastern Cape"
    assert sum(label.startswith("za:seta:") for label in labels) == 21
    assert sum(label.startswith("za:ofo:") for label in labels) == 20


def test_a_second_set_up_changes_nothing(pset: Pset) -> None:
    from psetcloud.demo_network import set_up_demo

    before = pset.done("ledger", "head")["state_root"]
    again = set_up_demo(pset.network)
    assert len(again.organisations) == 9
    assert pset.done("ledger", "head")["state_root"] == before
