# SPDX-License-Identifier: Apache-2.0
"""RFC 8785: the documents of the reference implementation, on both paths of `canonicalize`."""

from __future__ import annotations

import pytest

from sdk.credentials.jcs import canonicalize, parse_json
from tests.support.vectors import vector_path

TESTDATA = vector_path("jcs-rfc8785", "testdata")
NAMES = sorted(path.stem for path in (TESTDATA / "input").glob("*.json"))


def test_the_files_are_the_ones_we_know() -> None:
    assert NAMES == ["arrays", "french", "structures", "unicode", "values", "weird"]


@pytest.mark.parametrize("name", NAMES)
def test_canonical_form(name: str) -> None:
    value = parse_json((TESTDATA / "input" / f"{name}.json").read_bytes(), size_max=10_000)
    expected = bytes.fromhex((TESTDATA / "outhex" / f"{name}.txt").read_text("ascii"))
    assert canonicalize(value) == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_canonical_form_is_its_own_canonical_form(name: str) -> None:
    canonical = (TESTDATA / "output" / f"{name}.json").read_bytes()
    assert canonicalize(parse_json(canonical, size_max=10_000)) == canonical
