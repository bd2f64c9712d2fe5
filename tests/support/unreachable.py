# SPDX-License-Identifier: Apache-2.0
"""A network whose only node does not answer."""

from __future__ import annotations

import json
import socket
from pathlib import Path


def copy_unreachable(network: Path, directory: Path) -> Path:
    """The same network in another directory, with a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    directory.mkdir()
    (directory / "genesis.json").write_bytes((network / "genesis.json").read_bytes())
    document = json.loads((network / "network.json").read_bytes())
    document["endpoints"][0]["address"] = f"127.0.0.1:{port}"
    (directory / "network.json").write_text(json.dumps(document))
    return directory
