# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from ledger.node.logs import start_logging, stop_logging


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_lines_have_time_level_module_and_event(tmp_path: Path, log_format: str) -> None:
    handler = start_logging(tmp_path / "logs", level="info", log_format=log_format)
    log = logging.getLogger("ledger.node.sample")
    try:
        log.info("started height=%d", 7)
        log.debug("not written")
        try:
            raise ValueError("sample")
        except ValueError:
            log.exception("failed")
    finally:
        stop_logging(handler)
    log.warning("after the end")
    lines = (tmp_path / "logs" / "node.log").read_text().splitlines()
    if log_format == "json":
        first, second = (json.loads(line) for line in lines)
        assert first["message"] == "started height=7"
        assert first["level"] == "INFO"
        assert "ValueError: sample" in second["exception"]
        assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z", first["time"])
    else:
        assert re.fullmatch(
            r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z INFO ledger\.node\.sample started height=7", lines[0]
        )
        assert lines[-1] == "ValueError: sample"
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
