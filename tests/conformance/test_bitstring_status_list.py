# SPDX-License-Identifier: Apache-2.0
"""The examples of the W3C recommendation Bitstring Status List v1.0."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sdk.credentials.problems import CredentialError
from sdk.credentials.status_list import (
    LIST_SIZE_BYTES_MIN,
    StatusEntry,
    decode_list,
    encode_list,
    get_bit,
    parse_status_entries,
)
from tests.support.vectors import vector_path

EXAMPLES: list[dict[str, Any]] = json.loads(
    vector_path("bitstring-status-list", "spec_examples.json").read_text("utf-8")
)
WITH_ENTRIES = [example for example in EXAMPLES if "credentialStatus" in example]
LISTS = [
    example["credentialSubject"]["encodedList"]
    for example in EXAMPLES
    if example.get("credentialSubject", {}).get("type") == "BitstringStatusList"
]


def test_the_examples_are_the_ones_we_know() -> None:
    assert (len(EXAMPLES), len(WITH_ENTRIES), len(LISTS)) == (7, 4, 2)


@pytest.mark.parametrize("example", WITH_ENTRIES)
def test_entries_are_read(example: dict[str, Any]) -> None:
    status: dict[str, str] | list[dict[str, str]] = example["credentialStatus"]
    expected = tuple(
        StatusEntry(
            entry["statusListCredential"], int(entry["statusListIndex"]), entry["statusPurpose"]
        )
        for entry in (status if isinstance(status, list) else [status])
    )
    assert parse_status_entries(example) == expected


def test_the_example_with_messages_left_out_is_refused() -> None:
    """It shows three of the four statuses of two bits, and an ellipsis."""
    raw = next(example["raw"] for example in EXAMPLES if "raw" in example)
    example = json.loads(raw.replace(",\n        ...", "").replace(",\n    ...", ""))
    with pytest.raises(CredentialError) as caught:
        parse_status_entries(example)
    assert caught.value.path == "credentialStatus.statusMessage"
    example["credentialStatus"]["statusMessage"].append({"status": "0x3", "message": "undefined"})
    assert parse_status_entries(example)[0].size == 2


@pytest.mark.parametrize("encoded", LISTS)
def test_lists_are_decoded_and_encoded_again(encoded: str) -> None:
    bits = decode_list(encoded)
    assert bits == bytes(LIST_SIZE_BYTES_MIN)
    assert get_bit(bits, 94_567) == 0
    assert encode_list(bits) == encoded
