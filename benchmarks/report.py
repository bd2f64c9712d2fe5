# SPDX-License-Identifier: Apache-2.0
"""The report of a run on a terminal: the machine, its limits, every figure, the bars."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.bars import BARS, Bar
from benchmarks.results import Result, Run

DRIFT_MAX = 0.1
"""Change of the machine's own speed within a run that the report speaks of."""
_COLUMNS: Final[Sequence[tuple[Literal["left", "right"], int]]] = (
    ("left", 28),
    ("right", 9),
    ("left", 8),
    ("right", 22),
    ("right", 9),
    ("left", 22),
)
"""Metric, median, unit, quartiles, ratio, limit: alignment and least width."""

CONTENTION_MAX = 0.1
"""Share of a processor taken by others that the report speaks of."""


def print_report(run: Run, console: Console) -> None:
    """Print everything a run found."""
    console.print(Group(*render_report(run)))


def render_report(run: Run) -> Iterator[RenderableType]:
    """The parts of the report, in order."""
    yield Text(f"commit {run.commit}", style="bold")
    yield Text(_describe(run))
    yield Text("metric · median · quartiles · ratio to a limit of the machine", style="dim")
    for note in _notes(run):
        yield Text(f"note: {note}", style="yellow")
    for workload in dict.fromkeys(result.workload for result in run.results):
        yield from _render_workload(workload, run.find_workload(workload))
    yield Text()
    yield Text("bars", style="bold")
    for bar in BARS:
        yield describe_bar(bar, run)


def describe_bar(bar: Bar, run: Run) -> Text:
    """One line: met, not met or not measured, with what is judged and the figure it comes from."""
    judgement = bar.judge(run)
    if judgement is None:
        return Text(f"not measured  {bar.text}", style="dim")
    worst = judgement.worst
    show = format_number if bar.limit_name is None else format_ratio
    asked = f"{'at least' if bar.is_minimum else 'at most'} {show(bar.bound)}"
    return Text.assemble(
        ("met           ", "bold green") if judgement.is_met else ("NOT MET       ", "bold red"),
        f"{bar.text}\n              {show(judgement.judged)}, {asked}:"
        f" {format_number(worst.value)} {worst.unit} of {worst.identity}",
    )


def format_number(value: float) -> str:
    """Three or four digits that mean something."""
    if value == 0 or 1000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def format_ratio(ratio: float | None) -> str:
    """A ratio as a factor, small ones in per cent."""
    if ratio is None:
        return ""
    return f"{ratio * 100:.3g} %" if abs(ratio) < 0.995 else f"{format_number(ratio)} ×"


def _describe(run: Run) -> str:
    machine = run.machine
    memory = machine.get("memory_bytes")
    parts = [
        str(machine.get("processor", "unknown processor")),
        f"{machine.get('cores', '?')} cores",
        f"{memory / 2**30:.0f} GiB" if isinstance(memory, int) else "",
        str(machine.get("python", "")),
        str(machine.get("file_system") or ""),
        f"load {machine.get('load_average')} → {machine.get('load_average_after')}",
    ]
    return " · ".join(part for part in parts if part)


def _notes(run: Run) -> Iterator[str]:
    machine = run.machine
    if run.commit.endswith("-dirty"):
        yield "files differ from the commit"
    if machine.get("quick"):
        yield "a quick run: short samples, 10⁵ keys where a full run has 10⁶"
    drift = machine.get("drift")
    if isinstance(drift, int | float) and abs(drift - 1) > DRIFT_MAX:
        yield f"the machine's own speed changed within the run ({drift:.2f} × the first figures)"
    contention = machine.get("contention")
    if isinstance(contention, int | float) and contention > 1 + CONTENTION_MAX:
        yield (
            f"others used the machine too: a second of work took {contention:.2f} s;"
            " figures by the wall clock suffer, ratios to processor time with them"
        )


def _render_workload(workload: str, results: Sequence[Result]) -> Iterator[RenderableType]:
    """A heading, then a table for each set of parameters; columns stand under each other."""
    yield Text()
    yield Text(workload, style="bold")
    for _, group in itertools.groupby(results, key=Result.describe_parameters):
        rows = list(group)
        if rows[0].parameters:
            yield Text(f"  {rows[0].describe_parameters()}", style="italic")
        yield _make_table(rows)


def _make_table(results: Sequence[Result]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 1))
    for justify, width in _COLUMNS:
        table.add_column(justify=justify, min_width=width, no_wrap=True)
    for result in results:
        spread = f"{format_number(result.low)} – {format_number(result.high)}"
        table.add_row(
            f"   {result.metric}",
            format_number(result.value),
            result.unit,
            Text(spread if result.samples > 1 else "", style="dim"),
            format_ratio(result.ratio),
            Text(result.limit_name or "", style="dim"),
        )
    return table
