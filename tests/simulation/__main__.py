# SPDX-License-Identifier: Apache-2.0
"""Run seeds of the simulation: `python -m tests.simulation --seeds 1000`, or one of them again with --seed.

Each seed runs under each chosen profile. A failing one prints its violations, the end of its trace, the
commit, and the command that runs it again. Exit code 1 when any failed.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.support.simulation.faults import PROFILES
from tests.support.simulation.run import Result, simulate

TRACE_LINES_SHOWN = 60


def run_one(job: tuple[int, str]) -> Result:
    """One seed under one profile; in a process of its own."""
    logging.disable(logging.CRITICAL)
    seed, profile = job
    return simulate(seed, profile)


def describe_failure(result: Result) -> str:
    """What a person needs to see of a failed run, and to see it again."""
    lines = result.trace.splitlines()[-TRACE_LINES_SHOWN:]
    return "\n".join(
        [
            f"FAILED seed {result.seed} profile {result.profile} {result.setting}",
            *(f"  {violation}" for violation in result.violations),
            f"commit {get_commit()}",
            f"again: python -m tests.simulation --seed {result.seed} --profile {result.profile}",
            "end of the trace:",
            *(f"  {line[:200]}" for line in lines),
        ]
    )


def get_commit() -> str:
    """Of the checkout, or `unknown`."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def run_all(jobs: Sequence[tuple[int, str]], processes: int) -> Iterator[Result]:
    """The results as they come."""
    if processes == 1:
        yield from map(run_one, jobs)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run_one, jobs, chunksize=4)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--profile", choices=list(PROFILES), help="only this profile")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--trace", action="store_true", help="with --seed: print the trace's end")
    options = parser.parse_args(arguments)
    profiles = [options.profile] if options.profile else list(PROFILES)
    if options.seed is not None:
        seeds, options.processes = [options.seed], 1
    else:
        seeds = list(range(options.first, options.first + options.seeds))
    jobs = [(seed, profile) for seed in seeds for profile in profiles]
    begun, failed, done = time.monotonic(), 0, 0
    for done, result in enumerate(run_all(jobs, options.processes), 1):
        if not result.is_good:
            failed += 1
            sys.stdout.write(f"\n{describe_failure(result)}\n")
        elif options.trace:
            sys.stdout.write(f"{result.trace}\n")
        rate = done / max(0.001, time.monotonic() - begun)
        left_s = (len(jobs) - done) / rate
        sys.stderr.write(
            f"\r{done} of {len(jobs)} runs, {failed} failed, {rate:.1f} a second,"
            f" about {left_s / 60:.0f} min left   "
        )
    sys.stderr.write("\n")
    sys.stdout.write(
        f"{len(seeds)} seeds, {len(profiles)} profiles, {done} runs: {failed} failed\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
