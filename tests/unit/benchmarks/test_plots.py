# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.plots import BARS_COUNT_MAX, PlotBar, render_bars, write_plots
from benchmarks.results import Result, Run

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own


def bar_widths(svg: str) -> list[float]:
    return [
        float(each.attrib["width"])
        for each in parse(svg).iter(f"{SVG}rect")
        if each.attrib["fill"] == "#3465a4"
    ]


def test_a_longer_bar_for_a_larger_value() -> None:
    widths = bar_widths(
        render_bars("t", [PlotBar("a", 1.0, ""), PlotBar("b", 10.0, ""), PlotBar("c", 100.0, "")])
    )
    assert widths == sorted(widths)
    assert widths[2] - widths[1] > 100  # a decade is a decade
    assert len(widths) == 3


def test_equal_values_and_values_below_one_are_drawn() -> None:
    assert len(bar_widths(render_bars("t", [PlotBar("a", 0.001, "")] * 2))) == 2


def test_text_is_escaped() -> None:
    svg = render_bars("<&>", [PlotBar("a<b", 2.0, "x & y")])
    texts = [each.text for each in parse(svg).iter(f"{SVG}text")]
    assert {"<&>", "a<b", "x & y"} <= {*texts}


def test_bars_are_limited() -> None:
    bars = [PlotBar("a", 1.0, "")] * (BARS_COUNT_MAX + 5)
    assert len(bar_widths(render_bars("t", bars))) == BARS_COUNT_MAX


def test_what_is_over_goes_into_a_further_plot(tmp_path: Path) -> None:
    count = BARS_COUNT_MAX + 5
    results = [
        Result("tree", {"keys": keys}, "cost", 1.0, "µs", "fsync", 1.0, 1.0)
        for keys in range(count)
    ]
    written = write_plots(Run("c", {}, tuple(results)), tmp_path)
    assert [path.name for path in written] == ["tree.svg", "tree-2.svg"]
    drawn = [bar_widths(path.read_text(encoding="utf-8")) for path in written]
    assert [len(widths) for widths in drawn] == [BARS_COUNT_MAX, 5]


def test_one_file_for_each_workload_with_ratios(tmp_path: Path) -> None:
    run = Run(
        "c",
        {},
        (
            Result("limit", {}, "fsync", 150.0, "µs"),
            Result("tree", {"keys": 10}, "get-proof", 30.0, "µs", "sha256-65", 0.5, 60.0),
            Result("tree", {"keys": 10}, "proof-size", 500.0, "B"),
            Result("bare", {}, "size", 500.0, "B"),
        ),
    )
    written = write_plots(run, tmp_path / "plots")
    assert [path.name for path in written] == ["limit.svg", "tree.svg"]
    assert "get-proof 10" in written[1].read_text(encoding="utf-8")
    assert "proof-size" not in written[1].read_text(encoding="utf-8")
