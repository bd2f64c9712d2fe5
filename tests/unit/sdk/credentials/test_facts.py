# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from sdk.credentials.data_integrity import create_proof, read_proofs, verify_proof
from sdk.credentials.facts import CredentialFacts, check_document, read_facts
from sdk.credentials.jcs import JsonObject, JsonValue, canonicalize
from sdk.credentials.problems import CredentialError
from tests.support.credential_samples import (
    CREDENTIAL_ID,
    ISSUED_AT,
    ISSUER,
    KEY,
    OTHER_SIGNER,
    SIGNER,
    STATUS_ENTRIES,
    TEMPLATE_NAMES,
    TEMPLATE_URL,
    sample_template,
    sample_values,
    sign_again,
    signed_credential,
    unsigned_credential,
)
from tests.support.json_places import Place, places, value_at, with_value, without


def test_the_facts_of_a_statement_of_results() -> None:
    document = signed_credential()
    facts = read_facts(document)
    assert facts == CredentialFacts(
        credential_id=CREDENTIAL_ID,
        issuer_did=ISSUER,
        title="Statement of results",
        template_url=TEMPLATE_URL,
        qualification="za:saqa:q:91761",
        site="2",
        assessed=date(2026, 5, 20),
        valid_from=ISSUED_AT,
        valid_until=None,
        status_entries=STATUS_ENTRIES,
        subject_id=None,
        claims={**sample_values(), "age_over_18": True},
        created=ISSUED_AT,
        verification_method=KEY,
        key_did=ISSUER,
        key_id="issue-2026",
        proof=read_proofs(document)[0][0],
    )


def test_a_certificate_has_no_site() -> None:
    facts = read_facts(signed_credential("occupational-certificate"))
    assert facts.site is None
    assert facts.claims["certificate_number"] == "SAMPLE-0001"


def test_the_claims_cannot_be_changed_through_the_facts() -> None:
    facts = read_facts(signed_credential())
    with pytest.raises(TypeError):
        facts.claims["site"] = "1"  # type: ignore[index]


@pytest.mark.parametrize(
    ("place", "value", "path"),
    [
        (("@context", 1), "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json", "@context"),
        (("@context",), ["https://www.w3.org/ns/credentials/v2"], "type[1]"),
        (("type",), ["VerifiableCredential"], "type"),
        (("type",), "VerifiableCredential", "type"),
        (("id",), "https://example.org/1", "id"),
        (("name",), [{"@value": "x", "@language": "en"}], "name"),
        (("issuer", "id"), "https://example.org/", "issuer"),
        (("issuer",), "did:example", "issuer"),
        (("credentialSubject",), [{"id": "did:example:a"}], "credentialSubject"),
        (("credentialSubject", "type"), ["Achievement"], "credentialSubject.type"),
        (("credentialSubject", "qualification"), "91761", "credentialSubject.qualification"),
        (("credentialSubject", "qualification"), ["x"], "credentialSubject.qualification"),
        (("credentialSubject", "assessed"), "20 May 2026", "credentialSubject.assessed"),
        (("credentialSubject", "assessed"), 7, "credentialSubject.assessed"),
        (("credentialSubject", "site"), 2, "credentialSubject.site"),
        (("credentialSchema", 0, "type"), "JsonSchema", "credentialSchema"),
        (("credentialStatus", 0, "statusListIndex"), "x", "credentialStatus[0].statusListIndex"),
        (("proof", "verificationMethod"), ISSUER, "proof.verificationMethod"),
        (("proof", "verificationMethod"), f"{ISSUER}#", "proof.verificationMethod"),
        (("proof", "created"), "today", "proof.created"),
        (("proof", "cryptosuite"), "eddsa-rdfc-2022", "proof"),
        (("issuanceDate",), "2026-05-20T00:00:00Z", "issuanceDate"),
    ],
)
def test_what_is_not_of_our_layout_has_no_facts(place: Place, value: JsonValue, path: str) -> None:
    with pytest.raises(CredentialError) as caught:
        read_facts(with_value(signed_credential(), place, value))
    assert (caught.value.code, caught.value.path) == ("MALFORMED", path)


@pytest.mark.parametrize(
    "place",
    [
        ("@context",),
        ("id",),
        ("name",),
        ("validFrom",),
        ("issuer",),
        ("credentialSubject",),
        ("credentialSubject", "qualification"),
        ("credentialSubject", "assessed"),
        ("credentialSchema",),
        ("proof",),
    ],
)
def test_no_fact_may_be_absent(place: Place) -> None:
    with pytest.raises(CredentialError) as caught:
        read_facts(without(signed_credential(), place))
    assert caught.value.code == "MALFORMED"


def test_a_further_context_is_refused_even_when_it_is_signed() -> None:
    document = signed_credential()
    context = document["@context"]
    assert isinstance(context, list)
    document["@context"] = [*context, {"site": "urn:a:b"}]
    with pytest.raises(CredentialError, match="context"):
        read_facts(sign_again(document))


def test_a_second_template_is_not_chosen_from() -> None:
    document = signed_credential()
    schema = value_at(document, ("credentialSchema", 0))
    with pytest.raises(CredentialError, match="one template"):
        read_facts({**document, "credentialSchema": [schema, schema]})


def test_of_a_proof_set_the_issuers_proof_counts() -> None:
    unsigned = unsigned_credential()
    mine = create_proof(unsigned, SIGNER, KEY, ISSUED_AT)["proof"]
    theirs = create_proof(unsigned, OTHER_SIGNER, "did:example:other#1", ISSUED_AT)["proof"]
    assert read_facts({**unsigned, "proof": [theirs, mine]}).verification_method == KEY
    for proofs in ([mine, mine], [theirs, theirs]):
        with pytest.raises(CredentialError):
            read_facts({**unsigned, "proof": proofs})
    # Alone it is taken as it is: whose key it is, is for the verifier to say.
    assert read_facts({**unsigned, "proof": [theirs]}).key_did == "did:example:other"


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_what_we_issue_is_what_the_template_describes(name: str) -> None:
    document = signed_credential(name)
    before = canonicalize(document)
    assert check_document(document, read_facts(document), sample_template(name)) == []
    assert canonicalize(document) == before
    verified = verify_proof(document, SIGNER.public_key).document
    assert check_document(verified, read_facts(document), sample_template(name)) == []


def test_a_credential_with_an_end_and_a_holder_is_checked_as_well() -> None:
    unsigned = unsigned_credential()
    subject = value_at(unsigned, ("credentialSubject",))
    assert isinstance(subject, dict)
    unsigned["credentialSubject"] = {"id": "did:key:z6MkSample", **subject}
    unsigned["validUntil"] = "2027-05-20T09:14:03.250Z"
    document = sign_again(unsigned)
    facts = read_facts(document)
    assert facts.valid_until == ISSUED_AT + timedelta(days=365)
    assert facts.subject_id == "did:key:z6MkSample"
    assert check_document(document, facts, sample_template()) == []


SUBJECT = "credentialSubject"


@pytest.mark.parametrize(
    ("place", "value", "path"),
    [
        (("name",), "Doctor of Medicine", "name"),
        (("description",), "added", "description"),
        (("issuer", "name"), "SAQA", "issuer.name"),
        (("@context", 2, "site"), "https://example.org/#other", "@context[2].site"),
        (("@context", 2, "@protected"), False, "@context[2].@protected"),
        (("validFrom",), "2026-05-20T11:14:03.250+02:00", "validFrom"),
        ((SUBJECT, "age_over_18"), False, f"{SUBJECT}.age_over_18"),
        ((SUBJECT, "age_over_18"), 1, f"{SUBJECT}.age_over_18"),
        ((SUBJECT, "age_over_21"), True, f"{SUBJECT}.age_over_21"),
        ((SUBJECT, "id_number"), "8001015009087", f"{SUBJECT}.id_number"),
        ((SUBJECT, "given_name"), "Other", f"{SUBJECT}.identifier[0].identityHash"),
        ((SUBJECT, "given_name"), "", f"{SUBJECT}.given_name"),
        ((SUBJECT, "assessed"), "2026-05-21", f"{SUBJECT}.assessed"),
        ((SUBJECT, "modules", 0, "mark"), 100, f"{SUBJECT}.result[0].value"),
        ((SUBJECT, "modules", 0, "mark"), 72.0, f"{SUBJECT}.modules[0].mark"),
        ((SUBJECT, "modules"), [], f"{SUBJECT}.modules"),
        ((SUBJECT, "result", 0, "value"), "100", f"{SUBJECT}.result[0].value"),
        ((SUBJECT, "result"), [], f"{SUBJECT}.result"),
        ((SUBJECT, "achievement", "achievementType"), "DoctoralDegree", None),
        ((SUBJECT, "achievement", "criteria", "narrative"), "None.", None),
        ((SUBJECT, "achievement", "description"), "Better.", None),
        ((SUBJECT, "achievement", "name"), "Doctor of Medicine", None),
        ((SUBJECT, "achievement", "alignment", 0, "targetCode"), "1", None),
        ((SUBJECT, "achievement", "alignment", 1, "targetCode"), "04", None),
        ((SUBJECT, "achievement", "alignment", 1, "targetCode"), "1\u0661", None),
        ((SUBJECT, "achievement", "alignment", 2, "targetUrl"), "za:ofo:x", None),
        ((SUBJECT, "achievement", "alignment"), "x", None),
        ((SUBJECT, "achievement", "creditsAvailable"), 360.5, None),
        ((SUBJECT, "achievement"), None, None),
        ((SUBJECT, "identifier"), [], f"{SUBJECT}.identifier"),
        (("credentialStatus", 0, "id"), "urn:a:b", "credentialStatus[0].id"),
        (("credentialStatus", 0, "more"), 1, "credentialStatus[0].more"),
        (("credentialSchema", 1), None, None),
        (("evidence",), [{"type": "urn:a:b"}], "evidence"),
    ],
)
def test_a_dishonest_issuer_cannot_say_more_than_the_template(
    place: Place, value: JsonValue, path: str | None
) -> None:
    """Each of these is well signed by the issuer's own key."""
    if place == ("credentialSchema", 1):
        document = signed_credential()
        schemas = document["credentialSchema"]
        assert isinstance(schemas, list)
        document["credentialSchema"] = [*schemas, {"id": "urn:a:b", "type": "JsonSchema"}]
    else:
        document = with_value(signed_credential(), place, value)
    document = sign_again(document)
    assert verify_proof(document, SIGNER.public_key).created == ISSUED_AT
    problems = check_document(document, read_facts(document), sample_template())
    assert [problem.code for problem in problems] == ["MALFORMED"]
    assert path in {None, problems[0].path}


def test_every_text_matters_to_the_template() -> None:
    """Each text of the frame, derived parts included, is either a claim or follows from them."""
    document = signed_credential()
    free = {
        ("id",),
        ("issuer", "id"),
        (SUBJECT, "site"),
    }
    for place, value in places(document):
        if not isinstance(value, str) or place[0] == "proof" or place in free:
            continue
        changed = with_value(document, place, value + "1")
        try:
            facts = read_facts(changed)
        except CredentialError:
            continue
        assert check_document(changed, facts, sample_template()), place


def test_a_template_with_other_words_does_not_fit() -> None:
    document = signed_credential()
    facts = read_facts(document)
    other = replace(sample_template(), description="Another description.")
    assert check_document(document, facts, other)
    certificate = sample_template("occupational-certificate")
    assert check_document(document, facts, certificate)


def test_problems_never_hold_a_value() -> None:
    secret = "Thandeka"
    document: JsonObject = with_value(signed_credential(), (SUBJECT, "given_name"), f"{secret}1")
    problems = check_document(document, read_facts(document), sample_template())
    assert problems
    assert secret not in repr(problems)
