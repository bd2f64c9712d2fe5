# SPDX-License-Identifier: Apache-2.0
"""Validators with clocks of their own: what their processes are told of the time is shifted, while they
run, in Python, gRPC and TLS alike.

A library of some lines stands between each process and the C library (LD_PRELOAD). The shift is read
from a file that the process and the test have mapped. Timers of the kernel are not shifted: they
measure how long something takes.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from ledger.node.process import NodeProcess, spawn_node
from tests.support.chaos import ChaosNetwork, running

COMPILE_SECONDS_MAX = 60
_SHIFTS = struct.Struct("=qq")
"""Seconds by which wall time, and the time since the machine was started with its sleep, are ahead."""

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t none[2];
static const volatile int64_t *shifts = none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *held = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (held != MAP_FAILED) shifts = held;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, id, now);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        now->tv_sec += shifts[0];
    if (result == 0 && id == CLOCK_BOOTTIME)
        now->tv_sec += shifts[1];
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec held;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &held) != 0) return -1;
    now->tv_sec = held.tv_sec;
    now->tv_usec = held.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place) {
    struct timespec held;
    if (clock_gettime(CLOCK_REALTIME, &held) != 0) return -1;
    if (place) *place = held.tv_sec;
    return held.tv_sec;
}
"""


class ClockNetwork(ChaosNetwork):
    """Each validator's clock is right until it is shifted."""

    def __init__(self, directory: Path, library: Path, *, nodes: int = 3) -> None:
        super().__init__(directory, nodes=nodes)
        self._library = library
        self._held: dict[str, mmap.mmap] = {}
        for validator in self.ids:
            path = self._clock(validator)
            path.write_bytes(bytes(_SHIFTS.size))
            with path.open("r+b") as file:
                self._held[validator] = mmap.mmap(file.fileno(), _SHIFTS.size)

    def _clock(self, validator: str) -> Path:
        return self.directory / f"{validator}.clock"

    def set_ahead(self, validator: str, by: timedelta, *, slept: timedelta = timedelta(0)) -> None:
        """Let its wall clock be ahead by this; `slept`: its machine ran, or slept, so much longer."""
        shifts = _SHIFTS.pack(int(by.total_seconds()), int(slept.total_seconds()))
        self._held[validator][:] = shifts

    def spawn(self, validator: str) -> NodeProcess:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LD_PRELOAD", str(self._library))
            patch.setenv("CHAOS_CLOCK", str(self._clock(validator)))
            return spawn_node(self.home(validator))

    def close(self) -> None:
        for held in self._held.values():
            held.close()


def make_library(directory: Path) -> Path:
    """Compile what shifts clocks; skips the test where that cannot be."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or os.name != "posix":
        pytest.skip("shifting a process's clock needs a C compiler (cc) on this machine")
    source, library = directory / "clock.c", directory / "clock.so"
    source.write_text(_SOURCE)
    made = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)],
        capture_output=True,
        text=True,
        check=False,
        timeout=COMPILE_SECONDS_MAX,
    )
    if made.returncode:
        pytest.skip(f"shifting a process's clock: {compiler} does not compile it: {made.stderr}")
    return library


@contextmanager
def clock_network(
    directory: Path, *, nodes: int = 3, age: timedelta = timedelta(0)
) -> Generator[ClockNetwork]:
    """A network that runs with right clocks; `age`: it was made so long ago and nothing runs yet."""
    library = make_library(directory)
    with pytest.MonkeyPatch.context() as patch:
        if age:
            import time

            made_ns = time.time_ns() - int(age.total_seconds()) * 1_000_000_000
            patch.setattr("ledger.node.dev_network.time", SimpleNamespace(time_ns=lambda: made_ns))
        network = ClockNetwork(directory / "net", library, nodes=nodes)
    try:
        if age:
            try:
                yield network
            finally:
                network.stop()
        else:
            with running(network):
                yield network
    finally:
        network.close()
