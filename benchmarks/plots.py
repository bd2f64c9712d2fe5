# SPDX-License-Identifier: Apache-2.0
"""Plots of a run as SVG, written by hand: bars on a logarithmic axis, nothing to install."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from benchmarks.report import format_number, format_ratio
from benchmarks.results import Result, Run

BARS_COUNT_MAX: Final = 60
"""Bars in one plot; a plot with more says nothing. What is over goes into further ones."""

_LABEL_WIDTH: Final = 380
_PLOT_WIDTH: Final = 420
_VALUE_WIDTH: Final = 170
_ROW_HEIGHT: Final = 20
_HEAD_HEIGHT: Final = 56
_FOOT_HEIGHT: Final = 28


@dataclass(frozen=True, slots=True)
class PlotBar:
    """One bar: its length on the axis and what stands beside it."""

    label: str
    value: float
    text: str


def write_plots(run: Run, directory: Path) -> list[Path]:
    """Write the plots of each workload whose figures have a limit; the files written."""
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for workload in dict.fromkeys(result.workload for result in run.results):
        bars = [
            PlotBar(_label(each), each.ratio, f"{format_ratio(each.ratio)} {each.limit_name}")
            for each in run.results
            if each.workload == workload and each.ratio
        ]
        if workload == "limit":
            bars = [
                PlotBar(each.metric, each.value, f"{format_number(each.value)} {each.unit}")
                for each in run.find_workload(workload)
            ]
        title = "limits of the machine (µs)" if workload == "limit" else f"{workload}: ratio"
        for first in range(0, len(bars), BARS_COUNT_MAX):
            number = f"-{first // BARS_COUNT_MAX + 1}" if first else ""
            path = directory / f"{workload}{number}.svg"
            path.write_text(render_bars(title, bars[first : first + BARS_COUNT_MAX]), "utf-8")
            written.append(path)
    return written


def render_bars(title: str, bars: Sequence[PlotBar]) -> str:
    """An SVG document. Values must be positive; at most BARS_COUNT_MAX are drawn."""
    drawn = bars[:BARS_COUNT_MAX]
    low = math.floor(math.log10(min(bar.value for bar in drawn)))
    high = max(low + 1, math.ceil(math.log10(max(bar.value for bar in drawn))))
    step = _PLOT_WIDTH / (high - low)
    width = _LABEL_WIDTH + _PLOT_WIDTH + _VALUE_WIDTH
    height = _HEAD_HEIGHT + _ROW_HEIGHT * len(drawn) + _FOOT_HEIGHT
    bottom = height - _FOOT_HEIGHT
    parts = [_text(16, 24, title, 'font-size="15" font-weight="bold"')]
    for exponent in range(low, high + 1):
        x = _LABEL_WIDTH + (exponent - low) * step
        parts.append(_rectangle(x, _HEAD_HEIGHT - 12, 1, bottom - _HEAD_HEIGHT + 12, "#d0d0d0"))
        parts.append(_text(x, bottom + 16, f"{10.0**exponent:g}", 'text-anchor="middle"'))
    for row, bar in enumerate(drawn):
        y = _HEAD_HEIGHT + row * _ROW_HEIGHT
        length = max(1.0, (math.log10(bar.value) - low) * step)
        parts.append(_text(_LABEL_WIDTH - 8, y + 4, bar.label, 'text-anchor="end"'))
        parts.append(_rectangle(_LABEL_WIDTH, y - 6, length, 12, "#3465a4"))
        parts.append(_text(_LABEL_WIDTH + length + 6, y + 4, bar.text))
    frame = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    style = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12"'
    background = _rectangle(0, 0, width, height, "#ffffff")
    return "\n".join((f"<svg {style} {frame}>", background, *parts, "</svg>", ""))


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y}" {attributes}>{escape(text)}</text>'


def _rectangle(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" fill="{fill}"/>'


def _label(result: Result) -> str:
    values = " ".join(str(value) for value in result.parameters.values())
    return f"{result.metric} {values}".strip()
