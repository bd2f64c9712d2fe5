# SPDX-License-Identifier: Apache-2.0
"""What must hold for any bytes at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.model.codec import Codec
from ledger.model.wire import MALFORMED, TOO_LARGE, EncodingError, decode_strict, encode_strict

SIZE_MAX = 1 << 20


def check_agreement(codec: Codec, cls: type[Any], data: bytes) -> Any:
    """Both paths refuse, or both give one value whose one encoding is `data`.

    Returns that value, None when refused. Whatever is raised but an `EncodingError` passes through.
    """
    fast = codec.decode_fast(cls, data)
    strict, refusal = read(decode_strict, cls, data)
    together, same_refusal = read(codec.decode, cls, data)
    assert fast == strict == together, data.hex()
    if refusal is None:
        assert same_refusal is None
        assert encode_strict(strict) == data
        assert codec.encode_fast(strict) == data
        return strict
    assert same_refusal is not None
    assert same_refusal.args == refusal.args
    assert refusal.code in {MALFORMED, TOO_LARGE}
    assert refusal.where.split(".")[0] == cls.__name__
    assert refusal.reason
    return None


def read(
    decode: Callable[..., Any], cls: type[Any], data: bytes
) -> tuple[Any, EncodingError | None]:
    """The value or the refusal."""
    try:
        return decode(cls, data, size_max=SIZE_MAX), None
    except EncodingError as error:
        return None, error
