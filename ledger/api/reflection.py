# SPDX-License-Identifier: Apache-2.0
"""grpc.reflection: which services a server has, and their descriptors, for tools such as grpcurl.

The answers are those of grpcio-reflection; here are its limits. The package knows `v1alpha`; `v1` has
the same messages on the wire and is served beside it. A stream holds a place, so there are few places,
and each is left after a while, whatever the client does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, cast

import grpc
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]
    reflection,
    reflection_pb2,
)

REFLECTION_SERVICES: Final = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
STREAMS_COUNT_MAX: Final = 32
"""Streams at once; more are refused."""
QUESTIONS_COUNT_MAX: Final = 1_000
"""Questions in one stream."""
STREAM_MS_MAX: Final = 30_000
"""How long a stream may last."""
QUESTION_SIZE_MAX: Final = 4 * 1024


class Reflection:
    """Answers reflection for the services of one server."""

    def __init__(self, services: Sequence[str]) -> None:
        """`services` by full name; the reflection services themselves are named too."""
        names = (*services, *REFLECTION_SERVICES)
        self._servicer: Any = cast("Any", reflection).aio.ReflectionServicer(names)
        self._streams_count = 0

    def generic_handlers(self) -> list[Any]:
        """What a gRPC server needs to serve them."""
        request, response = (
            reflection_pb2.ServerReflectionRequest,
            reflection_pb2.ServerReflectionResponse,
        )
        method = cast("Any", grpc).stream_stream_rpc_method_handler(
            self._answer,
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )
        return [
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})
            for name in REFLECTION_SERVICES
        ]

    async def _answer(self, questions: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        if self._streams_count >= STREAMS_COUNT_MAX:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._streams_count} reflection streams are open",
            )
        self._streams_count += 1
        try:
            async with asyncio.timeout(STREAM_MS_MAX / 1000):
                count = 0
                async for question in questions:
                    count += 1
                    if count > QUESTIONS_COUNT_MAX or question.ByteSize() > QUESTION_SIZE_MAX:
                        await context.abort(
                            grpc.StatusCode.RESOURCE_EXHAUSTED,
                            f"at most {QUESTIONS_COUNT_MAX} questions of {QUESTION_SIZE_MAX} bytes",
                        )
                    async for answer in self._servicer.ServerReflectionInfo(
                        _one(question), context
                    ):
                        yield answer
        except TimeoutError:
            await context.abort(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"a reflection stream lasts at most {STREAM_MS_MAX // 1000} s",
            )
        finally:
            self._streams_count -= 1


async def _one(question: Any) -> AsyncIterator[Any]:
    yield question
