# SPDX-License-Identifier: Apache-2.0
"""The process of a node: `python -m ledger.node.main --dir HOME`, until SIGTERM or SIGINT.

Exit codes: 0 stopped as asked, 2 wrong configuration, 4 cannot run here now, 5 damaged store or bug.
The reason, its code and what to do stand on stderr, as one JSON object with --json-errors.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ledger.node.config import NodeConfig, load_config
from ledger.node.descriptors import reserve_descriptors
from ledger.node.errors import NodeError
from ledger.node.logs import start_logging, stop_logging
from ledger.node.process import hold_pid_file
from ledger.node.runtime import NodeRuntime
from ledger.storage.errors import EXIT_CORRUPTION, StorageError

# Not __name__: run with -m this module has another.
_log = logging.getLogger("ledger.node.main")

GC_THRESHOLDS: Final = (20_000, 50, 100)
"""Python's are 700, 10, 10; measured: about 10 % more transactions a second."""


async def serve(config: NodeConfig) -> None:
    """Run a node until a signal or its end. Raises what ended it."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    runtime = await NodeRuntime.start(config)
    # What is there now stays; blocks make many short-lived objects and no cycles, and each
    # collection would walk all of the caches.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    waiting = [
        asyncio.ensure_future(stopping.wait()),
        asyncio.ensure_future(runtime.wait()),
    ]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await runtime.stop()
    for task in done:
        task.result()


def run_node(home: Path) -> None:
    """Run the node of a home in this process until it is stopped.

    Raises NodeError or StorageError; anything else is a bug. Needs the main thread.
    """
    os.umask(0o077)
    config = load_config(home)
    reserve_descriptors(config.api.connections_count_max)
    with hold_pid_file(home):
        handler = start_logging(home / "logs", level=config.log.level, log_format=config.log.format)
        try:
            _run(config)
        except (NodeError, StorageError) as error:
            _log.critical("stopped code=%s text=%s", error.code, error.text)
            raise
        except Exception:
            _log.critical("stopped by a bug", exc_info=True)
            raise
        finally:
            stop_logging(handler)


def _run(config: NodeConfig) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(config))
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ledger.node.main", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="the node's home")
    parser.add_argument("--json-errors", action="store_true", help="the reason as JSON")
    options = parser.parse_args(arguments)
    try:
        run_node(options.dir)
    except (NodeError, StorageError) as error:
        report = {"code": error.code, "text": error.text, "remedy": error.remedy}
        exit_code = error.exit_code
    except Exception as error:  # noqa: BLE001 - the last place to say what happened
        report = {
            "code": "INTERNAL",
            "text": f"{type(error).__name__}: {error}",
            "remedy": "This is a bug: report it with logs/node.log.",
        }
        exit_code = EXIT_CORRUPTION
    else:
        return 0
    if options.json_errors:
        sys.stderr.write(json.dumps(report) + "\n")
    else:
        # Also for who finds it in logs/node.out, and was not there to see the process end.
        sys.stderr.write(
            f"{report['code']}: {report['text']}\n{report['remedy']}\nexit code {exit_code}\n"
        )
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
