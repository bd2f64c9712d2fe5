# SPDX-License-Identifier: Apache-2.0
"""A gRPC server that answers every call with its request: the least a round trip can cost.

Run as `python -m benchmarks.echo`: it prints the port it chose and ends when its standard input
does. As in a node, the event loop is uvloop where that is installed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final, cast

import grpc
import grpc.aio

ECHO_METHOD: Final = "/benchmarks.Echo/Call"


async def _echo(request: bytes, _context: Any) -> bytes:
    return request


class _Handler(grpc.GenericRpcHandler):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        if handler_call_details.method != ECHO_METHOD:
            return None
        return cast("Any", grpc).unary_unary_rpc_method_handler(_echo)


async def serve() -> None:
    """Serve on a free port of the loopback until standard input ends."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop(grace=None)


def main() -> None:
    """Run the server on the event loop that a node would use."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve())
    else:
        uvloop.run(serve())


if __name__ == "__main__":
    main()
