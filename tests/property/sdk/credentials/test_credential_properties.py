# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to a signed credential, it verifies only as what was signed."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdk.credentials.data_integrity import create_proof, verify_proof
from sdk.credentials.facts import check_document, read_facts
from sdk.credentials.jcs import JsonObject, JsonValue, canonicalize, parse_object
from sdk.credentials.open_badges import CREDENTIAL_SIZE_MAX, build_credential
from sdk.credentials.problems import CredentialError
from sdk.credentials.values import check_values, evaluate, normalise_values
from sdk.credentials.vcdm import validate_credential, validate_presentation
from tests.support.credential_samples import (
    CREDENTIAL_ID,
    ISSUED_AT,
    ISSUER,
    KEY,
    SIGNER,
    STATUS_ENTRIES,
    TEMPLATE_URL,
    TODAY,
    sample_template,
    sample_values,
    sign_again,
    signed_credential,
    unsigned_credential,
)
from tests.support.json_places import Place, places, value_at, with_value, without

SIGNED = signed_credential()
UNSIGNED = unsigned_credential()
PLACES = [place for place, _ in places(SIGNED) if place]
BYTES = canonicalize(SIGNED)

scalars: st.SearchStrategy[JsonValue] = (
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "91761", "1900-01-01", "https://example.org/", KEY, ISSUER])
)
values: st.SearchStrategy[JsonValue] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "code", "mark", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def verifies(document: JsonObject) -> bool:
    try:
        verify_proof(document, SIGNER.public_key)
    except CredentialError:
        return False
    return True


@settings(max_examples=300)
@given(st.sampled_from(PLACES), values)
def test_a_changed_value_breaks_the_proof(place: Place, value: JsonValue) -> None:
    changed = with_value(SIGNED, place, value)
    is_same = canonicalize(changed) == BYTES
    assert verifies(changed) is is_same


@given(st.sampled_from(PLACES))
def test_a_missing_value_breaks_the_proof(place: Place) -> None:
    assert not verifies(without(SIGNED, place))


@settings(max_examples=300)
@given(st.integers(0, len(BYTES) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_noticed(position: int, bit: int) -> None:
    changed = bytearray(BYTES)
    changed[position] ^= 1 << bit
    try:
        document = parse_object(bytes(changed), size_max=CREDENTIAL_SIZE_MAX)
    except CredentialError:
        return
    assert not verifies(document)


@given(st.sampled_from(PLACES), values)
def test_reading_and_checking_raise_nothing_else(place: Place, value: JsonValue) -> None:
    changed = with_value(SIGNED, place, value)
    assert isinstance(validate_credential(changed), list)
    assert isinstance(validate_presentation(changed), list)
    try:
        facts = read_facts(changed)
    except CredentialError as error:
        assert error.code == "MALFORMED"  # noqa: PT017 - nothing else may be raised
        return
    check_document(changed, facts, sample_template())


@settings(max_examples=200)
@given(st.sampled_from([place for place in PLACES if place[0] != "proof"]), values)
def test_what_passes_the_template_is_what_the_template_makes_of_it(
    place: Place, value: JsonValue
) -> None:
    """A dishonest issuer signs a changed document; if it passes, it could have been issued so."""
    try:
        changed = sign_again(with_value(SIGNED, place, value))
        facts = read_facts(changed)
    except CredentialError:
        return
    if check_document(changed, facts, sample_template()):
        return
    inputs = {name: item for name, item in facts.claims.items() if name != "age_over_18"}
    rebuilt = build_credential(
        sample_template(),
        facts.template_url,
        inputs,
        issuer_did=facts.issuer_did,
        credential_id=facts.credential_id,
        issued_at=facts.valid_from,
        valid_until=facts.valid_until,
        status_entries=facts.status_entries,
        subject_id=facts.subject_id,
    )
    for kept in (
        ("@context",),
        ("name",),
        ("issuer",),
        ("credentialSubject", "result"),
        ("credentialSubject", "age_over_18"),
        ("credentialSubject", "achievement", "criteria"),
        ("credentialSubject", "achievement", "achievementType"),
    ):
        assert canonicalize(value_at(changed, kept)) == canonicalize(value_at(rebuilt, kept))


# ---- inputs

field_names = st.sampled_from([*sample_values(), "id_number", "age_over_18", "colour"])
inputs = st.dictionaries(field_names, values, max_size=4).map(
    lambda changed: {**sample_values(), **changed}
)
good_days = st.integers(0, 3_000).map(lambda days: (TODAY - timedelta(days=days)).isoformat())
good_inputs = st.fixed_dictionaries(
    {
        "given_name": st.text("abcdefghijklmnopqrstuvwxyzé", min_size=1, max_size=80),
        "family_name": st.text("ABCŞṰabc", min_size=1, max_size=80),
        "birth_date": st.dates(max_value=TODAY - timedelta(days=3_001)).map(
            lambda day: max(day.isoformat(), "1900-01-01")
        ),
        "qualification": st.integers(1, 999_999_999) | st.just("za:saqa:q:91761"),
        "site": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", fullmatch=True),
        "assessed": good_days,
        "modules": st.lists(
            st.fixed_dictionaries(
                {
                    "code": st.from_regex(r"[A-Z0-9]{1,12}(?:-[A-Z]{2})?", fullmatch=True),
                    "mark": st.integers(0, 100),
                }
            ),
            min_size=1,
            max_size=8,
            unique_by=lambda module: module["code"],
        ),
    }
)


def build(template_inputs: JsonObject) -> JsonObject:
    return build_credential(
        sample_template(),
        TEMPLATE_URL,
        template_inputs,
        issuer_did=ISSUER,
        credential_id=CREDENTIAL_ID,
        issued_at=ISSUED_AT,
        status_entries=STATUS_ENTRIES,
    )


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(good_inputs)
def test_every_good_input_becomes_a_credential_that_passes_every_check(
    template_inputs: dict[str, JsonValue],
) -> None:
    assert check_values(sample_template(), template_inputs, today=TODAY) == []
    document = create_proof(build(template_inputs), SIGNER, KEY, ISSUED_AT)
    read = parse_object(canonicalize(document), size_max=CREDENTIAL_SIZE_MAX)
    assert verifies(read)
    facts = read_facts(read)
    assert check_document(read, facts, sample_template()) == []
    normalised = normalise_values(sample_template(), template_inputs)
    assert {name: facts.claims[name] for name in normalised} == normalised


@given(inputs)
def test_an_input_is_either_refused_or_issued_as_it_is(template_inputs: JsonObject) -> None:
    problems, claims = evaluate(sample_template(), template_inputs, today=TODAY)
    if problems:
        assert claims == {}
        try:
            build(template_inputs)
        except CredentialError as error:
            assert (error.code, error.path) == (problems[0].code, problems[0].path)  # noqa: PT017
        else:
            raise AssertionError("issued in spite of a problem")
    else:
        subject = cast("JsonObject", build(template_inputs)["credentialSubject"])
        assert {name: subject[name] for name in claims} == claims
