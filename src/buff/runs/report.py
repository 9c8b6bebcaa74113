"""One page about a run that needs nothing else: no network, no script, no other file, the same bytes every time.

A committed run goes in, and in words how many runs were tried beside it, which no artifact knows; HTML comes out in
pieces. Every number is the artifacts' own, rounded for eyes only; the one curve that is not stored, buy and hold, is
drawn by the definition of its metrics. The page carries a policy that allows nothing but its own style, and neither
clock nor path of the machine that wrote it.
"""

import base64
import hashlib
import html
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from buff.decisions.reasons import of_decision, of_metric
from buff.decisions.returns import held
from buff.decisions.risk import limits, watches_days
from buff.runs.drawing import curves, depths, sides
from buff.runs.sketch import percent, short, shown
from buff.runs.words import GROUPS, PERCENTAGES, SIGNED

if TYPE_CHECKING:
    from buff.runs.run import Metric, Run

TRADES_MAX = 1_000  # of more trades the first and the last half of these are listed
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfb; --raised: #fff; --line: #dcdfda; --ink: #1b1f1d; --quiet: #59625d;
  --accent: #0b6b63; --up: #00695c; --down: #a8330f; --warn: #7a5200; --warn-soft: #fbf0d9; --equity: #1f5fbf;
  --hold: #8a918d; --depth: #d0562b; --grid: #e6e9e4; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #131715; --raised: #1a1f1d; --line: #303835;
  --ink: #e7ebe8; --quiet: #a0aba6; --accent: #6fcfc1; --up: #62cdb9; --down: #f39a73; --warn: #eec06a;
  --warn-soft: #352a12; --equity: #84aef5; --hold: #7d8883; --depth: #e8794b; --grid: #262e2b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem clamp(1rem, 4vw, 2.5rem) 3rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .7rem; }
h3 { font-size: .95rem; margin: 1.4rem 0 .4rem; }
p, ul { margin: .4rem 0; }
ul { padding-left: 1.2rem; max-width: 60rem; }
code, pre { font-family: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { font-size: .88em; overflow-wrap: anywhere; }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
.quiet, figcaption { color: var(--quiet); }
.up { color: var(--up); } .down { color: var(--down); }
.note { border: 1px solid var(--warn); border-left-width: 4px; border-radius: 6px; background: var(--warn-soft);
  padding: .6rem .9rem; margin: 1rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(max(9.5rem, 22%), 1fr)); gap: .7rem;
  margin: 1.3rem 0; padding: 0; }
.tiles div { background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; }
.tiles dt { color: var(--quiet); font-size: .85rem; }
.tiles dd { margin: 0; }
.tiles dd.value { font-size: 1.45rem; font-weight: 650; line-height: 1.3; letter-spacing: -.01em; }
.tiles dd.beside { color: var(--quiet); font-size: .82rem; }
figure { margin: 0; background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: .8rem; }
figcaption { font-size: .85rem; margin-bottom: .4rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--quiet); font-size: 11.5px; }
@media (max-width: 40rem) { svg text { font-size: 20px; } }
svg path { fill: none; vector-effect: non-scaling-stroke; }
svg .grid { stroke: var(--grid); }
svg .equity { stroke: var(--equity); stroke-width: 1.6; stroke-linejoin: round; }
svg .hold { stroke: var(--hold); stroke-width: 1.2; stroke-linejoin: round; }
svg .depth { fill: var(--depth); fill-opacity: .35; stroke: var(--depth); }
svg .long { fill: var(--up); } svg .short { fill: var(--down); }
svg .s1 { fill-opacity: .25; } svg .s2 { fill-opacity: .5; } svg .s3 { fill-opacity: .75; }
.key { display: inline-block; width: 1.1em; height: .2em; vertical-align: middle; margin-right: .35em; }
.key.equity { background: var(--equity); } .key.hold { background: var(--hold); }
.key.long { background: var(--up); height: .6em; } .key.short { background: var(--down); height: .6em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th, td { text-align: left; padding: .28rem .6rem .28rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--quiet); font-weight: 500; white-space: nowrap; }
td.n, th.n { text-align: right; white-space: nowrap; padding-right: 1rem; }
td.t { white-space: nowrap; }
table.months td, table.months th { text-align: right; padding: .3rem .45rem; white-space: nowrap; }
table.months th:first-child { text-align: left; }
.reasons { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .87rem;
  color: var(--quiet); }
.reasons dd { margin: 0; }
table.metrics td:nth-child(1) { width: 15rem; } table.metrics td:nth-child(2) { width: 11rem; }
table.metrics td:nth-child(n+3) { color: var(--quiet); }
footer { margin-top: 3rem; color: var(--quiet); font-size: .85rem; }
@media print { :root { color-scheme: light; --paper: #fff; --raised: #fff; }
  body { font-size: 11px; max-width: none; padding: 0; } figure, tr, .tiles div { break-inside: avoid; }
  .wide { overflow: visible; } table { font-size: 8px; } .reasons { font-size: 9px; }
  th, td { padding: .15rem .3rem .15rem 0; } td.n, th.n { padding-right: .6rem; }
  table.months td, table.months th { padding: .15rem .2rem; }
  table.metrics td:nth-child(1) { width: 8.5rem; } table.metrics td:nth-child(2) { width: 8rem; } }
"""


def report(run: "Run", tried: str | None = None) -> Iterator[str]:
    """Yield the page in pieces. Raises RunDamaged."""
    what = run.inputs
    yield _head(f"{what['symbol']} {what['timeframe']} {what['strategy']['id']} – {run.id}")
    yield _title(run)
    yield from _notes(run)
    yield _beside(tried)
    yield _tiles(run)
    yield _picture(run)
    yield _months(run)
    yield _assumptions(run)
    yield from _trades(run)
    yield from _metrics(run, tried)
    yield _provenance(run)
    yield "</body>\n</html>\n"


def policy() -> str:
    """Return the policy the page carries: nothing is loaded, run, framed or sent; one style is allowed by its hash."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _head(title: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _code(words: str) -> str:
    """Return text as HTML, what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(words))


def _minus(text: str) -> str:
    """Return a number with a true minus sign, and with its unit on the same line."""
    return text.replace("-", "−").replace(" ", "\u00a0")


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(params.items()))


# The beginning


def _title(run: "Run") -> str:
    what = run.inputs
    rule = what["strategy"]
    params = _params(rule["params"])
    return (
        f"<header>\n<h1>{_text(what['symbol'])} {_text(what['timeframe'])}, {_text(rule['id'])}"
        f"{_text(f' ({params})' if params else '')}</h1>\n"
        f"<p>{_moment(what['start'])} to {_moment(what['end'])} UTC, {len(run.equity):,} bars, risk level "
        f'{what["risk"]["level"]}, start equity {_money(what["initial_equity"])}</p>\n<p class="quiet">Run '
        f"<code>{_text(run.id)}</code>, a result of stored data by fixed rules: a record of what would have happened "
        "under the assumptions below, and no forecast.</p>\n</header>\n<main>\n"
    )


def _notes(run: "Run") -> Iterator[str]:
    """Yield what a reader must know before the numbers: bad data, made bars, a halt, a short span."""
    notes = []
    checks = [f"{name.replace('_', ' ')}: {is_}" for name, is_ in run.quality["verdicts"].items() if is_ != "PASS"]
    if checks:
        notes.append(f"The quality checks of the data did not all pass ({', '.join(checks)}).")
    filled = run.manifest["data"]["filled"]
    if filled:
        notes.append(f"{filled:,} bars of the data were made to fill gaps; nothing is filled at their opens.")
    halt = next((entry for entry in run.timeline if entry["type"] == "halted"), None)
    if halt is not None:
        notes.append(f"Trading was halted by the drawdown limit at {halt['ts']} until the end.")
    if any(metric.flag == "span_under_90_days" for metric in run.metrics.values()):
        notes.append("The run spans less than 90 days: its annualised numbers are arithmetic, not a forecast.")
    if notes:
        yield '<div class="note">' + "".join(f"<p>{_text(note)}</p>" for note in notes) + "</div>\n"


def _beside(tried: str | None) -> str:
    """Return how many runs were tried: it stands beside every metric, since the best of many means less than one."""
    return "" if tried is None else f"<p>This run is {_text(tried)}.</p>\n"


def _tiles(run: "Run") -> str:
    """Return the headline numbers, each with the benchmark or what it rests on beside it."""
    values = run.metrics
    tiles = [
        _tile(run, "Net return", "net_return"),
        _tile(run, "Growth a year", "cagr"),
        _tile(run, "Deepest drawdown", "max_drawdown"),
        _tile(run, "Sharpe ratio", "sharpe"),
        _tile(run, "Volatility a year", "volatility"),
        _tile(run, "Closed trades", "trades", f"{_value('win_rate', values['win_rate'])} won"),
        _tile(run, "Time in the market", "exposure", "of the bars that could be traded"),
        _tile(run, "Commission", "fees", f"and {_value('slippage', values['slippage'])} of slippage"),
    ]
    return f'<dl class="tiles">\n{"".join(tiles)}</dl>\n'


def _tile(run: "Run", title: str, name: str, beside: str = "") -> str:
    metric, other = run.metrics[name], run.benchmark.get(name)
    value = metric.value
    colour = ""
    if name in SIGNED and isinstance(value, float) and value:
        colour = " up" if value > 0 else " down"
    note = f"buy and hold {_headline(name, other)}" if other is not None else beside
    if metric.value is None:
        note = of_metric(metric.null_reason or "")
    return (
        f'<div><dt>{title}</dt><dd class="value{colour}">{_headline(name, metric)}</dd>'
        f'<dd class="beside">{_text(note)}</dd></div>\n'
    )


def _value(name: str, metric: "Metric") -> str:
    """Return a metric as a person reads it."""
    value: Any = metric.value
    if value is None:
        return "–"
    if metric.unit == "money":
        return _money(value)
    if name in PERCENTAGES:
        return _minus(percent(value) if name in SIGNED else percent(value).lstrip("+"))
    return shown(value, metric.unit) if metric.unit == "epoch_ms" else _minus(shown(value, metric.unit))


def _headline(name: str, metric: "Metric") -> str:
    """Return a metric with as many digits as a first look wants."""
    value = metric.value
    return _money(value) if isinstance(value, float) and name not in PERCENTAGES else _value(name, metric)


def _money(value: float) -> str:
    return _minus(f"{value:,.2f}")


# The picture


def _picture(run: "Run") -> str:
    """Return equity beside buy and hold, the drawdown below it, and when a position was held."""
    bars, start = run.bars, float(run.inputs["initial_equity"])
    ended = next((entry["ref"]["seq"] for entry in run.timeline if entry["type"] == "warmup_end"), 0)
    bought = held(bars, start, ended)
    lines = {} if bought is None else {"hold": bought}
    label = f"Equity from {_money(start)} to {_money(float(run.equity[-1]))}"
    keys = '<span class="key equity"></span>equity at every close'
    if bought is not None:
        keys += ' &#160; <span class="key hold"></span>buy and hold of all equity, no costs'
    keys += ' &#160; <span class="key long"></span>long'
    if (run.position < 0).any():
        keys += ' &#160; <span class="key short"></span>short'
    return (
        f"<section>\n<h2>Equity, position and drawdown</h2>\n<figure>\n<figcaption>{keys}</figcaption>\n"
        f"{curves(bars.ts, {**lines, 'equity': run.equity}, label=label)}\n"
        f"{sides(bars.ts, run.position, label='When a position was held')}\n"
        f"{depths(bars.ts, run.drawdown, label='Drawdown: equity over its peak, less one')}\n"
        "<figcaption>Below: how far equity is under its peak so far. Times are UTC.</figcaption>\n"
        "</figure>\n</section>\n"
    )


# Months


def _months(run: "Run") -> str:
    """Return what every month and year returned, buy and hold's years at the end of the rows."""
    if not any(item["name"] == "returns.json" for item in run.manifest["artifacts"]):
        return ""  # a run of the time before there was one
    rows = {row["period"]: row for row in run.returns["months"]["rows"]}
    years = run.returns["years"]["rows"]
    head = "".join(f"<th>{name}</th>" for name in ("Year", *MONTHS, "Whole year", "Buy and hold"))
    body = ""
    for year in years:
        cells = [_cell(rows.get(f"{year['period']}-{month:02d}")) for month in range(1, 13)]
        cells += [_cell(year), _cell({"value": year["buy_and_hold"], "flag": year["flag"]})]
        body += f"<tr><th>{year['period']}</th>{''.join(cells)}</tr>\n"
    return (
        '<section>\n<h2>Months and years</h2>\n<div class="wide" tabindex="0"><table class="months">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
        '<p class="quiet">Returns in percent. * The run covers a part of the period only.</p>\n</section>\n'
    )


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "<td></td>"
    value = row["value"]
    if value is None:
        return "<td>–</td>"
    colour = ' class="up"' if value > 0 else ' class="down"' if value < 0 else ""
    partial = "*" if row["flag"] else ""
    return f"<td{colour}>{_minus(f'{value * 100:+.2f}')}{partial}</td>"


# Assumptions


def _assumptions(run: "Run") -> str:
    items = "".join(f"<li>{_text(each)}</li>\n" for each in _assumed(run))
    return f"<section>\n<h2>What is assumed</h2>\n<ul>\n{items}</ul>\n</section>\n"


def _assumed(run: "Run") -> Iterator[str]:
    what, costs = run.inputs, run.inputs["costs"]
    level, timeframe = what["risk"]["level"], run.bars.timeframe
    rules = limits(level, timeframe)
    yield "A decision is made at the close of a bar and filled at the open of the next one, however late that is."
    least = f", at least {_money(costs['min_fee'])}" if costs["min_fee"] else ""
    yield (
        f"Every fill pays {costs['slippage_bps']:g} basis points of slippage against it and a commission of "
        f"{costs['commission_bps']:g} basis points{least}. Funding, interest and taxes are not in it."
    )
    day = f"at a loss of {_share(1 - rules.day_red)} since the last UTC midnight until that day ends, and "
    yield (
        f"A new position takes {_share(rules.fraction)} of equity, half of that from half of a limit on (risk level "
        f"{level}, {what['risk']['policy']}). Positions are taken out and entries blocked "
        f"{day if watches_days(timeframe) else ''}at a fall of {_share(1 - rules.drawdown_red)} from the highest "
        "equity for good."
    )
    yield "Quantities are not rounded, a position is not resized while it is held, and orders do not move the market."
    gaps = {"none": "The data have no gap.", "keep": "Gaps in the data are kept: a fill after one is late."}
    yield gaps.get(what["gaps"], "Gaps in the data were filled with bars at the last close and without volume.")
    yield "A position that is open at the end is marked at the last close and not closed."


def _share(part: float) -> str:
    return f"{part * 100:.4g}\u00a0%"


# Trades


def _trades(run: "Run") -> Iterator[str]:
    trades: Sequence[Mapping[str, Any]] = run.trades
    count = len(trades)
    cut = count > TRADES_MAX
    listed = [*trades[: TRADES_MAX // 2], *trades[-TRADES_MAX // 2 :]] if cut else trades
    yield f"<section>\n<h2>Trades</h2>\n<p>{count:,} in order of entry"
    yield f"; the first and the last {TRADES_MAX // 2:,} are listed.</p>\n" if cut else ".</p>\n"
    if listed:
        heads = (
            "#",
            "Side",
            "Entry",
            "Price",
            "Exit",
            "Price",
            "Bars",
            "Costs",
            "Result",
            "Return",
            "Why in",
            "Why out",
        )
        yield _table(heads, map(_trade, listed), numbers={0, 3, 5, 6, 7, 8, 9}, times={2, 4})
        yield _reasons(run, listed)
    yield "</section>\n"


def _reasons(run: "Run", trades: Sequence[Mapping[str, Any]]) -> str:
    """Return what each reason in the table stands for, in the order in which they come."""
    legs = (trade[name] for trade in trades for name in ("entry", "exit") if name in trade)
    codes = dict.fromkeys(leg["reason"] for leg in legs)
    strategy = run.inputs["strategy"]["id"]
    said = "".join(
        f"<dt><code>{_text(code)}</code></dt><dd>{_text(of_decision(code, strategy))}</dd>" for code in codes
    )
    return f'<dl class="reasons">{said}</dl>\n'


def _trade(trade: Mapping[str, Any]) -> list[str]:
    entry, leaving = trade["entry"], trade.get("exit")
    legs = [entry] if leaving is None else [entry, leaving]
    costs = math.fsum(leg[name] for leg in legs for name in ("fee", "slippage"))
    result = trade.get("pnl", trade.get("unrealised"))
    colour = "up" if result > 0 else "down" if result < 0 else ""
    return [
        str(trade["trade"]),
        trade["side"],
        _moment(entry["ts"]),
        _text(short(entry["price"])),
        "open" if leaving is None else _moment(leaving["ts"]),
        short(trade["mark_price"]) if leaving is None else short(leaving["price"]),
        str(trade.get("bars", "–")),
        _money(costs),
        f'<span class="{colour}">{_minus(f"{result:+,.2f}")}</span>',
        _minus(percent(trade.get("return"))),
        _text(entry["reason"]),
        "–" if leaving is None else _text(leaving["reason"]),
    ]


def _moment(ts: str) -> str:
    return ts[:16].replace("T", " ")


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Iterable[int] = (),
    times: Iterable[int] = (),
    kind: str = "",
) -> str:
    """Return a table of cells that are HTML already."""
    classes = {**dict.fromkeys(numbers, ' class="n"'), **dict.fromkeys(times, ' class="t"')}
    head = "".join(f"<th{classes.get(at, '')}>{name}</th>" for at, name in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{classes.get(at, '')}>{cell}</td>" for at, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    named = f' class="{kind}"' if kind else ""
    table = f"<table{named}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"
    return f'<div class="wide" tabindex="0">{table}</div>\n'


# Metrics


def _metrics(run: "Run", tried: str | None) -> Iterator[str]:
    """Yield every metric with its definition, in groups; one we have no words for comes last."""
    known = {name for _, members in GROUPS for name in members}
    rest = {name: "see the reference of metrics" for name in run.metrics if name not in known}
    yield (
        "<section>\n<h2>Metrics and what they mean</h2>\n<p>E is equity at a close, E_0 the start equity, E_T the "
        "last; r are the returns of the N UTC days. Samples are the days, bars, trades or fills that a number rests "
        f"on. A dash is one that cannot be computed, with the reason.</p>\n{_beside(tried)}"
    )
    heads = ("Metric", "Value", "Samples", "Definition")
    for title, members in (*GROUPS, *([("Other", rest)] if rest else [])):
        rows = [_metric(name, run.metrics[name], says) for name, says in members.items() if name in run.metrics]
        yield f"<h3>{_text(title)}</h3>\n" + _table(heads, rows, numbers={2}, kind="metrics")
    yield "</section>\n"


def _metric(name: str, metric: "Metric", says: str) -> list[str]:
    unit = {"per_year": " a year", "bars": " bars"}.get(metric.unit, "") if metric.value is not None else ""
    note = metric.null_reason or metric.flag
    mark = f' <span class="quiet">{_text(of_metric(note))}</span>' if note else ""
    return [
        f"<code>{_text(name)}</code>",
        f"{_text(_value(name, metric))}{unit}{mark}",
        f"{metric.samples:,}",
        _code(says),
    ]


# Provenance


def _provenance(run: "Run") -> str:
    """Return where the numbers come from, and how anybody makes them again."""
    what, data = run.inputs, run.manifest["data"]
    source = data["source"]
    facts = [
        ("Run", run.id),
        ("Hash of the inputs", run.manifest["inputs_hash"]),
        ("Dataset", what["dataset_id"]),
        ("Bars of it", f"{data['rows']:,} of {data['base_timeframe']}, {data['first_ts']} to {data['last_ts']}"),
        ("Read from", f"{source.get('name')}, profile {source.get('profile')}"),
        ("Hash of the file", source.get("sha256")),
        ("Strategy", f"{what['strategy']['id']} {what['strategy']['version']}"),
        ("Hash of its source", what["strategy"]["source_sha256"]),
        *((f"Package {each['name']}", each["version"]) for each in run.manifest.get("packages", ())),
        ("Engine", what["engine_version"]),
    ]
    rows = [(_text(name), f"<code>{_text(value)}</code>") for name, value in facts]
    files = [
        (f"<code>{_text(item['name'])}</code>", f"{item['size']:,}", f"<code>{item['sha256']}</code>")
        for item in run.manifest["artifacts"]
    ]
    return (
        "<section>\n<h2>Where this comes from</h2>\n"
        + _table(("What", "Value"), rows)
        + "<p>This makes the run again, where the dataset is stored, and this proves that every byte is the same:</p>\n"
        f"<pre>{_text(run.command)}\nbuff run verify {_text(run.id)}</pre>\n"
        + "<h3>Files of the run</h3>\n"
        + _table(("File", "Bytes", "SHA-256"), files, numbers={1})
        + "</section>\n</main>\n<footer><p>Written by Buff from the files above. "
        "The page loads nothing and runs nothing.</p></footer>\n"
    )
