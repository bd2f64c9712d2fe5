# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from pathlib import Path

import pytest

from sdk.errors import (
    CallerError,
    KeyAccessError,
    NotVerifiedError,
    PsetError,
    RefusedError,
    TrustError,
    UnavailableError,
)

ERRORS: list[PsetError] = [
    PsetError("text", code="CODE", remedy="do it", retryable=True, transaction_id="ab"),
    CallerError("text", code="CODE", remedy="do it"),
    RefusedError("text", code="CODE", remedy="do it", receipt="a receipt", transaction_id="ab"),
    UnavailableError(
        "text", code="CODE", remedy="do it", phase="unknown", retry_after=timedelta(seconds=3)
    ),
    TrustError("text", code="CODE", remedy="do it", evidence=Path("evidence.json")),
    KeyAccessError("text", code="CODE", remedy="do it"),
    NotVerifiedError("text", code="CODE", remedy="do it", report="a report"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_carries_code_and_remedy(error: PsetError) -> None:
    assert isinstance(error, PsetError)
    assert (str(error), error.text, error.code, error.remedy) == ("text", "text", "CODE", "do it")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_from_a_worker_process(error: PsetError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(other) is type(error)
        assert str(other) == "text"
        assert vars(other) == vars(error)


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    assert [error.retryable for error in ERRORS] == [True, False, False, True, False, False, False]


def test_an_unavailable_ledger_says_what_became_of_the_write() -> None:
    error = UnavailableError("text", code="CODE", remedy="do it")
    assert (error.phase, error.retry_after) == ("not-sent", None)
