# SPDX-License-Identifier: Apache-2.0
"""Credentials of a listener whose TLS key and certificate are renewed while it runs.

gRPC asks for a new configuration at every handshake. It is given one only when something has changed:
each replaces the context that other handshakes of the same moment may be about to use, without a lock
of theirs (grpc/grpc#36693), and a few connections at once end the process. What is left of that is the
moment of a renewal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import grpc


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """All in PEM."""

    private_key: bytes
    certificate_chain: bytes
    client_roots: bytes | None = None
    """Who may be a client; None: clients show no certificate."""


class TlsReload:
    """What gRPC asks at a handshake. Any thread may call it."""

    def __init__(self, read: Callable[[], TlsMaterial]) -> None:
        """`read` gives what is to be used now; any thread may call that too."""
        self._read = read
        self._lock = Lock()
        self._used = read()
        self.first: Any = _configuration(self._used)
        """To begin with."""

    def __call__(self) -> Any:
        """The new configuration, or None while the last one still holds."""
        with self._lock:
            material = self._read()
            if material == self._used:
                return None
            self._used = material
            return _configuration(material)


def make_server_credentials(read: Callable[[], TlsMaterial]) -> grpc.ServerCredentials:
    """Credentials that follow what `read` gives; a client certificate is required if there are roots."""
    reload = TlsReload(read)
    return grpc.dynamic_ssl_server_credentials(
        reload.first, reload, require_client_authentication=read().client_roots is not None
    )


def _configuration(material: TlsMaterial) -> Any:
    return grpc.ssl_server_certificate_configuration(
        [(material.private_key, material.certificate_chain)],
        root_certificates=material.client_roots,
    )
