# SPDX-License-Identifier: Apache-2.0
"""Where a node's log goes and how a line looks. Never keys, claims or transactions' contents.

Messages are written as `event key=value …`; the formatters put time, level and module before, or turn
the whole into one JSON object.
"""

from __future__ import annotations

import json
import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

LOG_FILE_SIZE_MAX: Final = 16 * 1024 * 1024
LOG_FILES_KEPT: Final = 5
ROOTS: Final = ("ledger", "consensus")


class TextFormatter(logging.Formatter):
    """`time level module event key=value …`, UTC; a traceback follows on its own lines."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "module": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def start_logging(directory: Path, *, level: str, log_format: str) -> logging.Handler:
    """Write the log of this process to `directory/node.log`; the handler, for `stop_logging`."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        directory / "node.log",
        maxBytes=LOG_FILE_SIZE_MAX,
        backupCount=LOG_FILES_KEPT,
        encoding="utf-8",
    )
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    for root in ROOTS:
        logger = logging.getLogger(root)
        logger.setLevel(level.upper())
        logger.addHandler(handler)
        logger.propagate = False
    return handler


def stop_logging(handler: logging.Handler) -> None:
    """Take the handler away and close it."""
    for root in ROOTS:
        logging.getLogger(root).removeHandler(handler)
    handler.close()
