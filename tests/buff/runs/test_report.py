"""The page about a run: whole, alone, harmless, and the same every time."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from buff.decisions.reasons import of_decision, of_metric
from buff.runs.report import STYLE, TRADES_MAX, policy, report
from buff.runs.run import Run
from whole import make, names, opened
from wild import wild_run

VOID = {"meta"}


class Page(HTMLParser):
    """A page as a browser would take it apart: every element closed, every attribute known."""

    def __init__(self, text: str) -> None:
        """Read all of it."""
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open and self.open[-1] != "style" else ""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Runs with gaps, blocks, a halt, invented bars, an open trade, and one without any trade."""
    folder = tmp_path_factory.mktemp("runs")
    made = [wild_run(folder, seed, root=folder / "root") for seed in (1, 2, 4)]
    still = {"strategy": "ma_cross", "params": {"fast": 60, "slow": 4000}, "gaps": "keep"}
    return [*made, wild_run(folder, 5, root=folder / "root", **still)]


def test_a_page_says_what_was_run_what_came_out_and_how_to_make_it_again(root: Path) -> None:
    run = opened(root).run(names(root)["runs"][0])
    page = Page("".join(run.report()))
    for words in (
        "BTCUSDT 1h, ma_cross (direction long, fast 3, slow 8)",
        "Net return+0.06\u00a0%buy and hold −0.92\u00a0%",
        "What is assumed",
        "cross_up",
        run.command,
        f"buff run verify {run.id}",
        run.manifest["inputs_hash"],
        run.inputs["dataset_id"],
    ):
        assert words in page.text
    for item in run.manifest["artifacts"]:
        assert item["sha256"] in page.text
    assert run.manifest["data"]["source"]["path"] not in page.text


def test_a_page_is_whole_and_loads_and_runs_nothing(runs: list[Run]) -> None:
    """Invariants checked: elements close, one style allowed by its hash, no script, no handler, no address anywhere."""
    for run in runs:
        text = "".join(run.report())
        page = Page(text)
        assert not {"script", "link", "img", "iframe", "object", "form", "a", "base"} & set(page.tags)
        assert page.tags.count("style") == 1
        names = {name for _, name, _ in page.attributes}
        assert not any(name.startswith("on") or name in ("style", "src", "href", "action") for name in names)
        assert "http://" not in text
        assert "https://" not in text
        assert "url(" not in text
        assert f"<style>{STYLE}</style>" in text
        assert ("meta", "content", policy()) in page.attributes
        assert "\r" not in text


def test_a_page_is_the_same_every_time(runs: list[Run]) -> None:
    for run in runs:
        assert "".join(run.report()) == "".join(run.report())


def test_every_reason_of_a_trade_is_said_below_the_table(runs: list[Run]) -> None:
    seen = 0
    for run in runs:
        (said,) = re.findall('<dl class="reasons">(.+?)</dl>', "".join(run.report())) if len(run.trades) else [""]
        codes = dict.fromkeys(
            leg["reason"] for trade in run.trades for leg in (trade["entry"], trade.get("exit")) if leg
        )
        strategy = run.inputs["strategy"]["id"]
        assert re.findall("<dt><code>(.+?)</code></dt><dd>(.+?)</dd>", said) == [
            (code, html.escape(of_decision(code, strategy))) for code in codes
        ]
        seen += len(codes)
    assert seen


def test_every_metric_stands_there_with_its_definition(runs: list[Run]) -> None:
    for run in runs:
        page = "".join(run.report())
        for name, metric in run.metrics.items():
            (row,) = re.findall(f"<tr><td><code>{name}</code></td>(.+?)</tr>", page)
            assert len(row.rpartition("<td>")[2]) > len("</td>") + 5
            assert f'<td class="n">{metric.samples:,}</td>' in row
            if metric.null_reason:
                assert of_metric(metric.null_reason) in row


def test_every_trade_has_its_row(runs: list[Run]) -> None:
    for run in runs:
        page = "".join(run.report())
        section = page[page.index("<h2>Trades</h2>") : page.index("<h2>Metrics")]
        rows = re.findall(r"<tr><td[^>]*>(\d+)</td>", section)
        assert rows == [str(trade["trade"]) for trade in run.trades]
        assert section.count(">open</td>") == sum(trade["state"] == "open" for trade in run.trades)


def test_of_many_trades_the_first_and_the_last_are_listed(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buff.runs.report.TRADES_MAX", 10)
    assert TRADES_MAX > 10
    run = runs[2]
    page = "".join(report(run))
    section = page[page.index("<h2>Trades</h2>") : page.index("<h2>Metrics")]
    count = len(run.trades)
    rows = [int(number) for number in re.findall(r"<tr><td[^>]*>(\d+)</td>", section)]
    assert rows == [*range(5), *range(count - 5, count)]
    assert "the first and the last 5 are listed" in section


def test_what_a_reader_must_know_comes_first(runs: list[Run]) -> None:
    notes = ["".join(re.findall(r'<div class="note">(.+?)</div>', "".join(run.report()))) for run in runs]
    assert "Trading was halted by the drawdown limit" in notes[0]
    assert "bars of the data were made to fill gaps" in notes[2]
    assert all("less than 90 days" in note and "quality checks" in note for note in notes)


def test_text_of_the_user_is_text(root: Path, minutes: Path) -> None:
    """A symbol cannot hold markup, but a file's name can."""
    odd = minutes.with_name("<b>&\"'.csv")
    odd.write_bytes(minutes.read_bytes() + b"2024-01-03T00:00:00Z,1,1,1,1,1\n")
    run = make(root, odd, run_id="odd").run
    page = Page("".join(run.report()))
    assert "b" not in page.tags
    assert odd.name in page.text
    assert html.escape(odd.name) in "".join(run.report())
