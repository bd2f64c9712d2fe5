# SPDX-License-Identifier: Apache-2.0
"""The transcription of public facts is whole, and the ledger takes what is made of it."""

from __future__ import annotations

import pytest

from ledger.model.canonical_json import encode_json
from ledger.model.charter import default_charter
from ledger.model.identifiers import is_occupation
from ledger.model.operations import ResourceType
from ledger.model.resource_content import check_content
from psetcloud.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def test_every_part_is_there_with_its_source() -> None:
    parts = {"qualifications", "occupations", "nqf_types", "setas", "provinces"}
    assert {source["part"] for source in CATALOGUE.sources} == parts
    assert all(source["source"] for source in CATALOGUE.sources)
    assert len(CATALOGUE.occupations) == 20
    assert all(is_occupation(item["code"]) for item in CATALOGUE.occupations)
    assert len(CATALOGUE.setas) == 21
    assert {item["code"] for item in CATALOGUE.provinces} == set(default_charter().provinces)


def test_the_ledger_takes_the_qualification() -> None:
    name, content = CATALOGUE.qualification(91761)
    assert name == "za:saqa:q:91761"
    check_content(
        ResourceType.QUALIFICATION,
        name,
        "application/json",
        encode_json(dict(content)),
        powers=default_charter().powers,
    )
    assert (content["nqf_level"], content["credits"]) == (4, 360)
    with pytest.raises(KeyError):
        CATALOGUE.qualification(1)


def test_the_ledger_takes_the_labels() -> None:
    bundle = CATALOGUE.display_bundle()
    check_content(
        ResourceType.DISPLAY_BUNDLE,
        "za-labels",
        "application/json",
        encode_json(dict(bundle)),
        powers=(),
    )
    labels = bundle["languages"]["en"]
    parts = (CATALOGUE.occupations, CATALOGUE.nqf_types, CATALOGUE.setas, CATALOGUE.provinces)
    assert len(labels) == sum(map(len, parts)), "two things have one label"
    assert labels["za:ofo:2021:651202"] == "Welder"
    assert labels["za:seta:merseta"].startswith("Manufacturing, Engineering")
