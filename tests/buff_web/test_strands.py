"""Parallel coordinates: a line through every axis for each run, and nothing is left out, however many there are."""

import re
from itertools import pairwise, product
from typing import Any

from buff_web import strands
from buff_web.dimensions import layout
from buff_web.heatmap import scale_of
from outline import Outline
from sweepings import plan_of, rows_of

REQUESTS = [{"params": {"fast": fast, "slow": slow}} for fast, slow in product((5, 10, 15), (20, 30))]


def pictured(requests: Any = tuple(REQUESTS), values: Any = None, **options: Any) -> tuple[str, Outline]:
    states = {name: options.pop(name) for name in list(options) if name.startswith("at_")}
    plan = plan_of(requests)
    found, rows = layout(plan, grid=True), rows_of(plan, values, **states)
    axes = strands.axes(found, rows)
    lines = options.pop("lines", range(len(rows)))
    scale = scale_of(rows, "sharpe", "even")
    svg = str(strands.picture(found, rows, axes, metric="sharpe", scale=scale, lines=lines, **options))
    return svg, Outline(svg)


def points(svg: str, at: int) -> list[tuple[int, int]]:
    found = re.search(rf'data-at="{at}".*?<path d="M([^"]+)"', svg)
    assert found is not None
    return [(int(x), int(y)) for x, y in (each.split(" ") for each in found[1].split("L"))]


def test_each_run_is_a_line_that_leads_to_it() -> None:
    svg, page = pictured()
    links = page.all("a")
    assert [link["href"] for link in links] == [f"/runs/run_{at:016x}" for at in range(6)]
    assert [link["class"] for link in links] == ["h1", "h2", "h4", "h5", "h7", "h8"]
    assert "<title>fast 5, slow 30: Sharpe ratio 1.00, one of 6 tried</title>" in svg
    assert [group["data-axis"] for group in page.all("g") if group.get("data-axis")] == [
        *("fast", "slow", "net_return", "sharpe", "max_drawdown", "deflated_sharpe", "trades")
    ]
    heights = [y for _, y in points(svg, 5)]
    assert heights[:4] == [strands.TOP] * 4  # the largest of everything
    middle = (strands.TOP + strands.BOTTOM) // 2
    assert heights[4:6] == [middle, middle]  # all have the same drawdown: it lies in the middle
    assert "<style" not in svg
    assert "style=" not in svg


def test_what_has_no_value_goes_through_a_place_of_its_own() -> None:
    svg, page = pictured(values=[1.0, None, 2.0, 3.0, 4.0, 5.0], at_4="failed")
    assert points(svg, 1)[3][1] == strands.NONE
    assert [y for _, y in points(svg, 4)][2:] == [strands.NONE] * 5
    assert len(page.all("a")) == 5
    assert [group["class"] for group in page.all("g") if "lost" in str(group.get("class"))] == ["lost"]
    assert "BUILD_LOST" in svg
    assert "no value" in svg


def test_many_axes_make_it_wider_and_keep_their_distance() -> None:
    letters = "abcdefghijkl"
    _, page = pictured([{"params": dict.fromkeys(letters, at)} for at in range(2)])
    xs = [int(str(group["data-x"])) for group in page.all("g") if group.get("data-x")]
    assert len(xs) == 17
    assert min(right - left for left, right in pairwise(xs)) >= strands.APART
    (drawing,) = page.all("svg")
    assert int(str(drawing["width"])) == xs[-1] + strands.RIGHT
    assert "width" not in pictured()[1].all("svg")[0], "few fit into the page"


def test_what_is_chosen_stays_on_its_axis() -> None:
    for stretch, height in (
        ((0.0, 1.0), 298),
        ((-1e9, 0.5), 153),
        ((0.5, 0.5), 8),
        ((1e9, 1.0), None),
        ((0.5, 0.2), None),
    ):
        page = pictured(within={"fast": stretch})[1]
        heights = [int(str(each["height"])) for each in page.all("rect") if each.get("class") == "chosen"]
        assert heights == ([] if height is None else [height])


def test_the_lines_of_some_lie_before_a_ground_of_all() -> None:
    requests = [{"params": {"fast": fast}} for fast in (5, 5, 5, 10)]
    svg, page = pictured(requests, lines=[3])
    assert len(page.all("a")) == 1
    ways = [way for each in re.findall(r'<path class="w[1-4]" d="([^"]+)"', svg) for way in each.split("M")[1:]]
    assert len(ways) == len(set(ways))
    xs = [int(str(group["data-x"])) for group in page.all("g") if group.get("data-axis")]
    for left, right in pairwise(xs):  # what three and one of them have alike is drawn once between any two axes
        assert sum(way.startswith(f"{left} ") and f"L{right} " in way for way in ways) >= 1
    fast, net_return = xs[:2]
    assert sum(way.startswith(f"{fast} ") for way in ways) == 4  # each has a return of its own
    assert net_return > fast
    assert "ground" not in pictured(requests)[0]


def test_many_values_share_the_slots_of_the_ground() -> None:
    requests = [{"params": {"fast": fast}} for fast in range(500)]
    svg, _ = pictured(requests, lines=[])
    ways = [way for each in re.findall(r'<path class="w\d" d="([^"]+)"', svg) for way in each.split("M")[1:]]
    first = [way for way in ways if way.startswith(f"{strands.LEFT} ")]
    assert len(first) <= (strands.SLOTS + 1) * 2
    assert len({way.split(" ")[1].split("L")[0] for way in first}) == strands.SLOTS + 1


def test_so_many_things_that_vary_have_an_axis() -> None:
    requests = [{"params": {f"p{number:02}": at for number in range(20)}} for at in (1, 2)]
    _, page = pictured(requests)
    names = [group["data-axis"] for group in page.all("g") if group.get("data-axis")]
    assert names[: strands.VARYING_MAX + 1] == [
        *(f"p{number:02}" for number in range(strands.VARYING_MAX)),
        "net_return",
    ]


def test_what_is_out_is_dim_and_behind() -> None:
    svg, page = pictured(out={1, 2}, within={"fast": (0.0, 0.5)})
    assert [link["data-at"] for link in page.all("a")] == ["1", "2", "0", "3", "4", "5"]
    assert [link["class"] for link in page.all("a")][:2] == ["h2 out", "h4 out"]
    assert 'class="chosen"' in svg


def test_names_are_escaped() -> None:
    svg, _ = pictured([{"params": {"<b>": value}} for value in ("<i>", "&")])
    assert "<b>" not in svg
    assert "<i>" not in svg
    assert "&lt;b&gt;" in svg
