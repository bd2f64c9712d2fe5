# SPDX-License-Identifier: Apache-2.0
"""The inputs of the W3C VCDM 2.0 test suite: what is named -ok is accepted, -fail refused.

The suite hands its inputs to an issuer, which fills in who it is, and puts dates where the files
have a word for one. The same is done here, and nothing else is changed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk.credentials.jcs import JsonObject, parse_object
from sdk.credentials.vcdm import validate_credential, validate_presentation
from tests.support.vectors import vector_path

ROOT = vector_path("vcdm2-suite-input", "tests", "input")

OUT_OF_SCOPE = {
    # Whether holder and issuer must agree depends on the presentation and the credential being
    # secured by the same mechanism (VCDM 2.0 section 4.13.4). That is a rule about proofs; the
    # files carry none, and differ in form from presentation-vc-ok.json by nothing.
    "presentation-self-asserted-vc-holder-mismatch.json",
    "presentation-self-asserted-vc-issuer-mismatch.json",
    "presentation-self-asserted-vc-no-holder.json",
}
ISSUER_MISSING_ON_PURPOSE = "credential-no-issuer-fail.json"
PLACEHOLDERS = {"FUTURE DATE": "2999-01-01T00:00:00Z", "PAST DATE": "2000-01-01T00:00:00Z"}

FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.rglob("*.json")
    if path.name not in OUT_OF_SCOPE
)


def read_input(name: str) -> JsonObject:
    document = parse_object((ROOT / name).read_bytes(), size_max=100_000)
    for member in ("validFrom", "validUntil"):
        value = document.get(member)
        if isinstance(value, str) and value in PLACEHOLDERS:
            document[member] = PLACEHOLDERS[value]
    if not is_presentation(name) and name != ISSUER_MISSING_ON_PURPOSE:
        issuer = document.setdefault("issuer", "did:example:issuer")
        if isinstance(issuer, dict):
            issuer.setdefault("id", "did:example:issuer")
    return document


def is_presentation(name: str) -> bool:
    return name.startswith("presentation-")


def test_the_files_are_the_ones_we_know() -> None:
    assert len(FILES) == 117
    assert {path.name for path in ROOT.rglob("*.json")} >= OUT_OF_SCOPE
    assert all("-ok" in name or "-fail" in name for name in FILES)


@pytest.mark.parametrize("name", FILES)
def test_input(name: str) -> None:
    document = read_input(name)
    problems = (validate_presentation if is_presentation(name) else validate_credential)(document)
    assert bool(problems) is ("-fail" in name), problems


@pytest.mark.parametrize("name", [name for name in FILES if "-fail" in name])
def test_what_is_refused_is_refused_for_what_the_name_says(name: str) -> None:
    """Some place in the problems is the one that the file's name is about."""
    document = read_input(name)
    problems = (validate_presentation if is_presentation(name) else validate_credential)(document)
    words = {
        "context": "@context",
        "redef": "@context",
        "evidence": "evidence",
        "id": "id",
        "issuer": "issuer",
        "subject": "credentialSubject",
        "type": "type",
        "refresh": "refreshService",
        "schema": "credentialSchema",
        "status": "credentialStatus",
        "termsofuse": "termsOfUse",
        "validUntil": "validUntil",
        "validuntil": "validUntil",
        "validfrom": "validFrom",
        "holder": "holder",
        "proof": "proof",
        "enveloped": "verifiableCredential",
        "vc": "verifiableCredential",
        "description": "description",
        "name": "name",
    }
    parts = Path(name).stem.split("-")
    named = [place for word, place in words.items() if word in parts]
    assert named
    assert any(place in problem.path for problem in problems for place in named), problems
