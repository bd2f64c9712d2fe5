# SPDX-License-Identifier: Apache-2.0
"""The report of a run on a terminal: the machine, its limits, every figure, the bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.bars import BARS, Bar
from benchmarks.results import Result, Run

DRIFT_MAX = 0.1
"""Change of the machine's own speed within a run that the report speaks of."""
CONTENTION_MAX = 0.1
"""Share of a processor taken by others that the report speaks of."""


def print_report(run: Run, console: Console) -> None:
    """Print everything a run found."""
    console.print(Group(*render_report(run)))


def render_report(run: Run) -> Iterator[RenderableType]:
    """The parts of the report, in order."""
    yield Text(f"commit {run.commit}", style="bold")
    yield Text(_describe(run))
    for note in _notes(run):
        yield Text(f"note: {note}", style="yellow")
    for workload in dict.fromkeys(result.workload for result in run.results):
        yield Text()
        yield _make_table(workload, [each for each in run.results if each.workload == workload])
    yield Text()
    yield Text("bars", style="bold")
    for bar in BARS:
        yield describe_bar(bar, run)


def describe_bar(bar: Bar, run: Run) -> Text:
    """One line: met, not met or not measured, with the ratio and the figure it comes from."""
    judgement = bar.judge(run)
    if judgement is None:
        return Text(f"not measured  {bar.text}", style="dim")
    worst = judgement.worst
    asked = f"{'at least' if bar.is_minimum else 'at most'} {format_ratio(bar.bound)}"
    return Text.assemble(
        ("met           ", "bold green") if judgement.is_met else ("NOT MET       ", "bold red"),
        f"{bar.text}\n              {format_ratio(judgement.ratio)}, {asked}:"
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


def _make_table(workload: str, results: Sequence[Result]) -> Table:
    table = Table(title=workload, title_justify="left", title_style="bold", box=box.SIMPLE)
    has_limits = any(result.limit_name for result in results)
    table.add_column("metric", no_wrap=True)
    table.add_column("median", justify="right")
    table.add_column("", justify="left")
    table.add_column("quartiles", justify="right", style="dim", no_wrap=True)
    if has_limits:
        table.add_column("ratio", justify="right")
        table.add_column("to", style="dim", no_wrap=True)
    parameters = ""
    for result in results:
        if result.describe_parameters() != parameters:
            parameters = result.describe_parameters()
            table.add_row(Text(parameters, style="bold"))
        row = [
            f"  {result.metric}" if parameters else result.metric,
            format_number(result.value),
            result.unit,
            f"{format_number(result.low)} – {format_number(result.high)}"
            if result.samples > 1
            else "",
        ]
        if has_limits:
            row += [format_ratio(result.ratio), result.limit_name or ""]
        table.add_row(*row)
    return table
