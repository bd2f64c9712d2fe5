# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks run|report|compare|list`, from the root of the checkout.

Exit status: 0 done; 1 `compare` found a regression; 2 wrong use or an unreadable file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.compare import TOLERANCE, Change, compare, print_comparison
from benchmarks.report import print_report
from benchmarks.results import BenchmarkFileError, encode_run, read_run

EXIT_REGRESSION = 1
EXIT_USAGE = 2

PLAIN_WIDTH = 140
"""Columns of a report that goes to a file or pipe."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    options = _make_parser().parse_args(arguments)
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    console = Console(highlight=False, markup=False, width=width)
    errors = Console(stderr=True, highlight=False, markup=False)
    try:
        match options.command:
            case "run":
                return _run(options, console, errors)
            case "report":
                return _report(options, console)
            case "compare":
                return _compare(options, console)
            case _:
                return _list(console)
    except BenchmarkFileError as error:
        errors.print(f"error: {error}")
        return EXIT_USAGE


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Workloads beside the limits of the machine, measured in the same run.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure, write the results, print the report")
    run.add_argument("--quick", action="store_true", help="minutes: fewer samples, smaller trees")
    run.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these workloads")
    run.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON results")
    run.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="where stores are made while measuring (default: beside FILE)",
    )
    report = commands.add_parser("report", help="print the report of a run")
    report.add_argument("file", type=Path, metavar="FILE")
    report.add_argument("--plots", type=Path, metavar="DIR", help="write SVG plots there")
    comparison = commands.add_parser("compare", help="what became slower, by ratio")
    comparison.add_argument("old", type=Path, metavar="OLD")
    comparison.add_argument("new", type=Path, metavar="NEW")
    comparison.add_argument(
        "--tolerance",
        type=_tolerance,
        default=TOLERANCE,
        metavar="SHARE",
        help=f"a ratio may worsen by this share (default {TOLERANCE})",
    )
    commands.add_parser("list", help="the workloads")
    return parser


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a number is expected") from None
    if not 0 <= value <= 10:
        raise argparse.ArgumentTypeError("0 to 10 is expected")
    return value


def _run(options: argparse.Namespace, console: Console, errors: Console) -> int:
    # Late: `report` and `compare` need none of what is measured.
    from benchmarks.runner import UnknownWorkloadError, run_workloads, select_workloads

    output: Path = options.output
    directory: Path = options.directory or output.parent
    try:
        workloads = select_workloads(options.only)
    except UnknownWorkloadError as error:
        errors.print(f"error: {error}")
        return EXIT_USAGE
    for needed in (output.parent, directory):
        if not needed.is_dir():
            errors.print(f"error: no directory {needed}")
            return EXIT_USAGE

    def note(text: str) -> None:
        errors.print(f"· {text}", style="dim")

    run = run_workloads(workloads, is_quick=options.quick, directory=directory, note=note)
    output.write_bytes(encode_run(run))
    print_report(run, console)
    return 0


def _report(options: argparse.Namespace, console: Console) -> int:
    run = read_run(options.file)
    print_report(run, console)
    if options.plots:
        from benchmarks.plots import write_plots

        for path in write_plots(run, options.plots):
            console.print(f"wrote {path}")
    return 0


def _compare(options: argparse.Namespace, console: Console) -> int:
    comparisons = compare(read_run(options.old), read_run(options.new), options.tolerance)
    print_comparison(comparisons, console)
    is_worse = any(each.change is Change.WORSE for each in comparisons)
    return EXIT_REGRESSION if is_worse else 0


def _list(console: Console) -> int:
    from benchmarks.runner import WORKLOADS

    for workload in WORKLOADS:
        console.print(f"{workload.name:14} {workload.text}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
