// Draws a run: candles with volume and trades, equity, drawdown, on one time axis. Everything drawn comes from the API;
// nothing is computed here. When the reader zooms in, the same stretch is read again in finer buckets.

import { readWindow } from "./feed.js";

const { BaselineSeries, CandlestickSeries, HistogramSeries, LineSeries, createChart, createSeriesMarkers } =
  window.LightweightCharts ?? {};
const PIXELS_PER_TRADE = 14;
const MINUS = "\u2212";
const figure = document.querySelector(".chart");
const canvas = figure.querySelector(".canvas");
const legend = figure.querySelector(".legend");
const note = figure.querySelector("[data-note]");
const addresses = figure.dataset;
const seconds = (ms) => ms / 1000;

// A custom property holds what both themes say; only as the colour of something is it the one of this theme.
const probe = document.createElement("i");
probe.hidden = true;
document.body.append(probe);

function palette() {
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    const [red, green, blue] = getComputedStyle(probe).color.match(/\d+/g);
    return `#${[red, green, blue].map((part) => Number(part).toString(16).padStart(2, "0")).join("")}`;
  };
  return {
    paper: colour("raised"), ink: colour("quiet"), line: colour("line"), grid: colour("chart-grid"),
    up: colour("chart-up"), down: colour("chart-down"), equity: colour("chart-equity"),
    drawdown: colour("chart-drawdown"), long: colour("up"), short: colour("down"),
  };
}

function frameOptions(colours) {
  return {
    layout: {
      background: { color: colours.paper }, textColor: colours.ink, fontSize: 11, attributionLogo: false,
      fontFamily: getComputedStyle(document.body).fontFamily,
      panes: { separatorColor: colours.line, separatorHoverColor: colours.line },
    },
    grid: { vertLines: { color: colours.grid }, horzLines: { color: colours.grid } },
    rightPriceScale: { borderColor: colours.line },
    timeScale: { borderColor: colours.line, timeVisible: true, secondsVisible: false, minBarSpacing: 0.2 },
    crosshair: { mode: 0 },
    localization: { locale: "en-GB" },
  };
}

const decimals = (value) => (Math.abs(value) >= 1000 ? 2 : Math.abs(value) >= 1 ? 4 : 8);
const amount = (value, places = 2) =>
  value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }).replace("-", MINUS);
const percent = (value) => `${amount(value * 100)}\u202f%`;
const stamp = (time) => new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ");

class RunChart {
  constructor() {
    this.chart = createChart(canvas, { autoSize: true, ...frameOptions(palette()) });
    const money = { type: "custom", formatter: (value) => amount(value), minMove: 0.01 };
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false, priceLineVisible: false });
    this.volume = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false,
    });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.equity = this.chart.addSeries(LineSeries, { lineWidth: 2, priceLineVisible: false, priceFormat: money, title: "equity" }, 1);
    this.drawdown = this.chart.addSeries(BaselineSeries, {
      lineWidth: 1, priceLineVisible: false, title: "drawdown", baseValue: { type: "price", price: 0 },
      priceFormat: { type: "custom", formatter: percent, minMove: 0.0001 },
    }, 2);
    this.markers = createSeriesMarkers(this.candles, []);
    const [price, equity, drawdown] = this.chart.panes();
    price.setStretchFactor(6);
    equity.setStretchFactor(2.2);
    drawdown.setStretchFactor(1.6);
    this.chart.subscribeCrosshairMove((move) => this.say(move.time));
    this.chart.timeScale().subscribeVisibleTimeRangeChange((range) => this.moved(range));
  }

  // Put a window on the chart and keep what the reader looks at.
  show(view, visible) {
    this.view = view;
    this.wanted = undefined;
    const { columns } = view.bars;
    this.places = new Map(columns.ts.map((ms, index) => [seconds(ms), index]));
    const places = decimals(columns.close.at(-1) ?? 1);
    this.candles.applyOptions({
      priceFormat: { type: "custom", formatter: (value) => amount(value, places), minMove: 10 ** -places },
    });
    this.paint();
    if (visible) this.chart.timeScale().setVisibleRange(visible);
    else this.chart.timeScale().fitContent();
    this.say();
    this.tell();
  }

  paint() {
    const colours = palette();
    this.chart.applyOptions(frameOptions(colours));
    this.candles.applyOptions({
      upColor: colours.up, downColor: colours.down, wickUpColor: colours.up, wickDownColor: colours.down,
    });
    this.equity.applyOptions({ color: colours.equity });
    this.drawdown.applyOptions({
      topLineColor: colours.drawdown, bottomLineColor: colours.drawdown,
      bottomFillColor1: `${colours.drawdown}18`, bottomFillColor2: `${colours.drawdown}55`,
    });
    const { bars: { columns: bars }, equity: { columns: equity } } = this.view;
    this.candles.setData(bars.ts.map((ms, i) => ({
      time: seconds(ms), open: bars.open[i], high: bars.high[i], low: bars.low[i], close: bars.close[i],
    })));
    this.volume.setData(bars.ts.map((ms, i) => ({
      time: seconds(ms), value: bars.volume[i], color: `${bars.close[i] < bars.open[i] ? colours.down : colours.up}44`,
    })));
    this.equity.setData(equity.ts.map((ms, i) => ({ time: seconds(ms), value: equity.equity[i] })));
    this.drawdown.setData(equity.ts.map((ms, i) => ({ time: seconds(ms), value: equity.drawdown[i] })));
    this.markTrades();
  }

  // Trades are marked where there is room: too many would hide the candles, and the table has them all.
  markTrades() {
    const { items, total } = this.view.trades;
    const range = this.chart.timeScale().getVisibleRange();
    const seen = range
      ? items.filter((t) => seconds(Date.parse(t.entry.ts)) <= range.to && (!t.exit || seconds(Date.parse(t.exit.ts)) >= range.from))
      : items;
    this.incomplete = items.length < total;
    this.count = this.incomplete ? total : seen.length;
    this.crowded = this.incomplete || seen.length > canvas.clientWidth / PIXELS_PER_TRADE;
    this.markers.setMarkers(this.crowded ? [] : this.marks(seen, palette()));
  }

  // Longs enter with an arrow up below the bar, shorts with an arrow down above it; both leave with a circle.
  marks(trades, colours) {
    const marks = [];
    for (const trade of trades) {
      const long = trade.side === "long";
      const color = long ? colours.long : colours.short;
      marks.push(this.mark(trade.entry.ts, {
        shape: long ? "arrowUp" : "arrowDown", position: long ? "belowBar" : "aboveBar", color, id: `entry ${trade.trade}`,
      }));
      if (trade.exit) {
        marks.push(this.mark(trade.exit.ts, {
          shape: "circle", position: long ? "aboveBar" : "belowBar", size: 0.6, color, id: `exit ${trade.trade}`,
        }));
      }
    }
    return marks.filter(Boolean).sort((a, b) => a.time - b.time);
  }

  // A mark stands on the bucket that holds its bar; one outside the window is left out.
  mark(ts, options) {
    const { ts: stamps } = this.view.bars.columns;
    const ms = Date.parse(ts);
    let low = 0;
    let high = stamps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (stamps[middle] <= ms) low = middle + 1;
      else high = middle;
    }
    const outside = low === 0 || (low === stamps.length && ms > stamps.at(-1) && !this.reachesEnd());
    return outside ? null : { time: seconds(stamps[low - 1]), ...options };
  }

  reachesEnd() {
    const { columns, last_ms: last, bucket, timeframe } = this.view.bars;
    return bucket !== timeframe || columns.ts.at(-1) >= last;
  }

  // The legend: the bucket below the crosshair, or the last one.
  say(time) {
    const { bars: { columns: bars }, equity: { columns: equity } } = this.view;
    const index = this.places.get(time) ?? bars.ts.length - 1;
    if (index < 0) return;
    const places = decimals(bars.close[index]);
    legend.textContent =
      `${stamp(seconds(bars.ts[index]))}   O ${amount(bars.open[index], places)}   H ${amount(bars.high[index], places)}   ` +
      `L ${amount(bars.low[index], places)}   C ${amount(bars.close[index], places)}   ` +
      `equity ${amount(equity.equity[index])}   drawdown ${percent(equity.drawdown[index])}`;
  }

  tell() {
    const { bars } = this.view;
    const drawn = bars.bucket === bars.timeframe
      ? `Every bar of ${bars.timeframe} is drawn.`
      : `Candles of ${bars.bucket} stand for bars of ${bars.timeframe}; zoom in for finer ones.`;
    const marks = this.crowded
      ? ` ${this.count.toLocaleString("en-US")} trades are too many to mark here: zoom in.`
      : " Arrows are entries (up long, down short), circles exits.";
    note.textContent = drawn + marks;
  }

  // The reader moved: read finer or farther data once the movement has paused.
  moved(range) {
    clearTimeout(this.pause);
    if (range) this.pause = setTimeout(() => this.refine(range), 120);
  }

  async refine({ from, to }) {
    this.markTrades();
    this.tell();
    const { bars } = this.view;
    const { ts } = bars.columns;
    const span = to - from;
    const seen = [...this.places.keys()].filter((time) => time >= from && time <= to).length;
    const whole = ts.length && ts[0] <= bars.first_ms && this.reachesEnd();
    const finer = bars.bucket !== bars.timeframe && seen < 300;
    const beyond = !whole && (from - span / 4 < seconds(ts[0]) || to + span / 4 > seconds(ts.at(-1)));
    const sparse = this.incomplete && seen < ts.length / 2;
    if (!finer && !beyond && !sparse) return;
    const asked = (this.asked = Symbol("window"));
    try {
      const view = await readWindow(addresses, { first: (from - span) * 1000, last: (to + span) * 1000 });
      const found = view.bars.columns.ts;
      const same = view.bars.bucket === bars.bucket && found[0] === ts[0] && found.at(-1) === ts.at(-1);
      if (this.asked !== asked || same || !found.length) return;
      // The reader may have moved on while the answer was under way: keep what is seen now, and look again.
      const now = this.chart.timeScale().getVisibleRange();
      this.show(view, now);
      this.moved(now);
    } catch (error) {
      note.textContent = `Finer data could not be read. ${error.message}`;
    }
  }

  // A move shows with the next frame; until then the following one goes on from where it will be.
  do(what) {
    if (what === "all") return this.whole();
    const scale = this.chart.timeScale();
    const { from, to } = this.wanted ?? scale.getVisibleLogicalRange();
    const [left, right] = MOVES[what];
    this.wanted = { from: from + (to - from) * left, to: to + (to - from) * right };
    scale.setVisibleLogicalRange(this.wanted);
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => requestAnimationFrame(() => { this.wanted = undefined; }));
  }

  whole() {
    if (this.view === this.first) this.chart.timeScale().fitContent();
    else this.show(this.first);
  }
}

// What a step changes at the left and the right edge, in parts of what is seen.
const MOVES = { earlier: [-0.25, -0.25], later: [0.25, 0.25], closer: [0.2, -0.2], wider: [0.2 / -0.6, 0.2 / 0.6] };
const KEYS = { ArrowLeft: "earlier", ArrowRight: "later", "+": "closer", "=": "closer", "-": "wider", 0: "all", Home: "all" };

function control(chart) {
  const tools = figure.querySelector(".tools");
  tools.hidden = false;
  tools.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-do]");
    if (button) chart.do(button.dataset.do);
  });
  figure.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    event.preventDefault();
    chart.do(KEYS[event.key]);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.paint());
  addEventListener("themechange", () => chart.paint());
}

async function start() {
  figure.dataset.state = "loading";
  try {
    if (!createChart) throw new Error("the chart library did not load");
    const view = await readWindow(addresses);
    canvas.hidden = false;
    const chart = new RunChart();
    chart.first = view;
    chart.show(view);
    control(chart);
    requestAnimationFrame(() => requestAnimationFrame(() => { figure.dataset.state = "drawn"; }));
  } catch (error) {
    canvas.hidden = true;
    figure.dataset.state = "failed";
    note.textContent = `The chart could not be drawn, so this is a still picture of the equity. ${error.message}`;
  }
}

start();
