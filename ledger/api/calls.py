# SPDX-License-Identifier: Apache-2.0
"""From bytes to an answer or a refusal: what every call of every service has in common.

Requests arrive as bytes, so that whatever is in them is judged here: what cannot be parsed is
MALFORMED, a refusal is its status, anything else is INTERNAL and stands in the log. No input ends
more than its own call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message

from ledger.api.gate import CallGate
from ledger.api.ports import ApiError
from ledger.api.status import STATUS_METADATA_KEY, encode_status
from ledger.model.receipts import ApiReason, ReceiptCode

_log = logging.getLogger(__name__)

WAIT_MS_MAX: Final = 120_000
"""How long a call may wait for a certificate."""
WAIT_MARGIN_MS: Final = 100
"""So much before the client's deadline the node answers PENDING."""

_Request = TypeVar("_Request", bound=Message)
_Handler = Callable[[_Request, int], Awaitable[Message]]
"""Takes the request and how long it may wait, in ms."""


REQUEST_SIZE_SMALL_MAX: Final = 16 * 1024
"""Bytes of a request that asks for one thing."""


RECEIVE_MS_MAX: Final = 20_000
"""How long a request may take to arrive once its call has begun."""


def unary(
    request_class: type[_Request],
    handle: _Handler[_Request],
    gate: CallGate,
    *,
    size_max: int = REQUEST_SIZE_SMALL_MAX,
) -> Any:
    """The gRPC handler of one method.

    `handle` raises ApiError to refuse. A request above `size_max` bytes is not even read.
    """
    name = request_class.DESCRIPTOR.name

    async def behaviour(data: bytes, context: Any) -> bytes:
        host: str | None = None
        try:
            host = gate.enter(context.peer())
            _check_size(data, size_max, name)
            try:
                request = request_class.FromString(data)
            except DecodeError:
                raise ApiError(ReceiptCode.MALFORMED, f"the request is no {name}") from None
            answer = await handle(request, _compute_wait_ms(context.time_remaining()))
            return answer.SerializeToString()
        except ApiError as error:
            refusal = error
        except Exception:  # noqa: BLE001 - one call's fault must not be another's
            _log.exception("call failed method=%s", name)
            refusal = ApiError(ApiReason.INTERNAL, "the node failed; its log says more")
        finally:
            if host is not None:
                gate.leave(host)
        return await refuse(context, refusal)

    # Served as a stream of one request, each call could be counted before its request is here and
    # ended when none comes; that takes a third more of the time of a write.
    return cast("Any", grpc.unary_unary_rpc_method_handler(behaviour))


async def receive(context: Any, size_max: int, name: str) -> bytes:
    """The one request of a call. Raises ApiError: TOO_LARGE; MALFORMED, also if it never comes."""
    task = asyncio.current_task()
    assert task is not None, "gRPC runs each call in a task"
    is_late = False

    def give_up() -> None:
        nonlocal is_late
        is_late = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(RECEIVE_MS_MAX / 1000, give_up)
    try:
        data = await context.read()
    except asyncio.CancelledError:
        if not is_late:
            raise
        task.uncancel()
        raise ApiError(
            ReceiptCode.MALFORMED, f"no {name} came within {RECEIVE_MS_MAX // 1000} s"
        ) from None
    finally:
        timer.cancel()
    if not isinstance(data, bytes):
        raise ApiError(ReceiptCode.MALFORMED, f"the call ended without a {name}")
    _check_size(data, size_max, name)
    return data


def _check_size(data: bytes, size_max: int, name: str) -> None:
    if len(data) > size_max:
        raise ApiError(ReceiptCode.TOO_LARGE, f"a {name} has at most {size_max} bytes")


async def refuse(context: Any, refusal: ApiError) -> NoReturn:
    """End a call with a refusal."""
    code, text, status = encode_status(refusal)
    await context.abort(code, text, ((STATUS_METADATA_KEY, status),))
    raise AssertionError("abort does not return")


def _compute_wait_ms(remaining_s: float | None) -> int:
    """How long a call may wait: until shortly before its deadline, never for ever."""
    if remaining_s is None:
        return WAIT_MS_MAX
    return max(1, min(WAIT_MS_MAX, int(remaining_s * 1000) - WAIT_MARGIN_MS))
