// Draws a run on one time axis: candles with volume and trades, equity beside buy and hold, drawdown, position and risk.
// Everything drawn comes from the API; nothing is computed here but buy and hold, which is the close over a price.
// When the reader moves, the stretch in sight is read again in the buckets that fit it.

import { answer, ask } from "./frame.js";

const lib = window.LightweightCharts ?? {};
const MINUS = "\u2212";
const THIN = "\u202f";
const SEEN_MIN = 300; // fewer buckets in sight are read again in finer ones
const EDGE = 0.25; // of what is in sight: nearer to the edge of what is read, more is read
const PAUSE_MS = 100;
const MARGIN = 0.5; // what is read beyond each side, in parts of what is in sight
const STATES = ["GREEN", "YELLOW", "RED"];
const BUCKETS = 1500;
const TRADES_MAX = 600; // in sight at the same time; more are counted and not read
const CELL_PX = 54; // where trades are closer than that to each other they are counted
const HIT_PX = 9;
const SIZE_PX = 5;
const SHEET = "application/vnd.buff.columns"; // docs/reference/http_api.md shows its layout

export const drawable = () => Boolean(lib.createChart);

// What is read ---------------------------------------------------------------------------------------------------------

// Columns as the server has them: every one a view of the bytes that came, no number is parsed or copied.
async function columns(address) {
  const data = await (await answer(address, { headers: { accept: SHEET } })).arrayBuffer();
  const size = new DataView(data).getUint32(8, true);
  const { columns: listed, ...head } = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 16, size)));
  const view = ({ name, rows, offset }) => [name, new Float64Array(data, 16 + size + offset, rows)];
  return { ...head, columns: Object.fromEntries(listed.map(view)) };
}

function between({ first, last }) {
  const query = new URLSearchParams();
  if (first !== undefined) query.set("from", Math.floor(first));
  if (last !== undefined) query.set("to", Math.ceil(last));
  return query;
}

// A window in epoch milliseconds; undefined bounds are the run's own.
export async function readWindow(api, part = {}) {
  const query = between(part);
  query.set("max", BUCKETS);
  const [bars, equity] = await Promise.all([columns(`${api}/bars?${query}`), columns(`${api}/equity?${query}`)]);
  return { ...bars, bars: bars.columns, equity: equity.columns };
}

// The trades alive in a window; null where they are too many to draw.
async function readTrades(api, part) {
  const query = between(part);
  query.set("limit", TRADES_MAX);
  const { items, total } = await ask(`${api}/trades?${query}`);
  return total > items.length ? null : items;
}

export async function readTrade(api, number) {
  const { items } = await ask(`${api}/trades?after=${number}&limit=1`);
  return items[0] ?? null;
}

// What is drawn --------------------------------------------------------------------------------------------------------

// A custom property holds what both themes say; only as the colour of something is it the one of this theme.
const probe = document.createElement("i");
probe.hidden = true;
document.body.append(probe);

function palette() {
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    const parts = getComputedStyle(probe).color.match(/\d+/g).slice(0, 3);
    return `#${parts.map((part) => Number(part).toString(16).padStart(2, "0")).join("")}`;
  };
  const named = (...names) => Object.fromEntries(names.map((name) => [name, colour(`chart-${name}`)]));
  return {
    paper: colour("raised"), ink: colour("ink"), quiet: colour("quiet"), line: colour("line"),
    ...named("grid", "up", "down", "equity", "hold", "drawdown", "yellow", "red", "chosen"),
  };
}

const decimals = (value) => (Math.abs(value) >= 1000 ? 2 : Math.abs(value) >= 1 ? 4 : 8);
const formats = new Map();
export function amount(value, places = 2) {
  if (!formats.has(places)) {
    formats.set(places, new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }));
  }
  return formats.get(places).format(value).replace("-", MINUS);
}
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const percent = (value) => `${amount(value * 100)}${THIN}%`;
const stamp = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
const side = (position) => (position > 0 ? "long" : position < 0 ? "short" : "flat");

// What is set on the axis is there two frames later.
const frames = () => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });

// A stretch with what is read beside it, so that a small move needs nothing new.
export function around({ first, last }) {
  const margin = (last - first) * MARGIN;
  return { first: first - margin, last: last + margin };
}

export class RunChart {
  // `told` hears of moves: view(first, last, whole), trade(number), place(ms), note(text).
  constructor(figure, told) {
    this.tried = Infinity;
    this.figure = figure;
    this.told = told;
    this.canvas = figure.querySelector(".canvas");
    this.api = figure.dataset.api;
    const { startEquity, boughtMs, boughtPrice } = figure.dataset;
    this.start = Number(startEquity);
    this.bought = boughtPrice === undefined ? null : { ms: Number(boughtMs), price: Number(boughtPrice) };
    this.chart = lib.createChart(this.canvas, { autoSize: true, ...this.frame(palette()) });
    this.build();
    this.chart.subscribeCrosshairMove((move) => this.say(move.logical));
    this.chart.subscribeClick((click) => this.clicked(click));
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => this.moved(range));
  }

  frame(colours) {
    return {
      layout: {
        background: { color: colours.paper }, textColor: colours.quiet, fontSize: 11, attributionLogo: false,
        fontFamily: getComputedStyle(document.body).fontFamily,
        panes: { separatorColor: colours.line, separatorHoverColor: colours.line, enableResize: true },
      },
      grid: { vertLines: { color: colours.grid }, horzLines: { color: colours.grid } },
      rightPriceScale: { borderColor: colours.line, minimumWidth: 78 },
      timeScale: { borderColor: colours.line, timeVisible: true, secondsVisible: false, minBarSpacing: 0.05, rightOffset: 0 },
      crosshair: { mode: 0, vertLine: { labelVisible: true }, horzLine: { labelVisible: true } },
      localization: { locale: "en-GB" },
    };
  }

  build() {
    const quiet = { priceLineVisible: false };
    const money = { type: "custom", formatter: (value) => amount(value), minMove: 0.01 };
    const add = (kind, options, pane) => this.chart.addSeries(lib[kind], { ...quiet, ...options }, pane);
    const overlay = { lastValueVisible: false, crosshairMarkerVisible: false };
    this.candles = add("CandlestickSeries", { borderVisible: false });
    this.volume = add("HistogramSeries", { priceScaleId: "volume", priceFormat: { type: "volume" }, ...overlay });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.86, bottom: 0 } });
    this.hold = add("LineSeries", { lineWidth: 1, priceFormat: money, crosshairMarkerVisible: false }, 1);
    this.equity = add("LineSeries", { lineWidth: 2, priceFormat: money }, 1);
    this.drawdown = add("BaselineSeries", {
      lineWidth: 1, baseValue: { type: "price", price: 0 },
      priceFormat: { type: "custom", formatter: percent, minMove: 0.0001 },
    }, 2);
    const fixed = (minValue, maxValue) => ({ autoscaleInfoProvider: () => ({ priceRange: { minValue, maxValue } }) });
    this.risk = add("HistogramSeries", { priceScaleId: "risk", ...overlay, ...fixed(0, 2) }, 3);
    this.chart.priceScale("risk", 3).applyOptions({ scaleMargins: { top: 0, bottom: 0 } });
    this.position = add("HistogramSeries", {
      base: 0, lastValueVisible: false, ...fixed(-1.6, 1.6),
      priceFormat: { type: "custom", minMove: 1, formatter: (value) => (Math.abs(value) === 1 ? side(value) : "") },
    }, 3);
    const panes = this.chart.panes();
    [6, 2.2, 1.4, 0.9].forEach((part, index) => panes[index].setStretchFactor(part));
    this.names = panes.map((pane) => lib.createTextWatermark(pane, { horzAlign: "left", vertAlign: "top", lines: [] }));
    this.marks = new TradeMarks(this);
    this.candles.attachPrimitive(this.marks);
    this.places = [this.candles, this.equity, this.drawdown, this.position].map((series) => {
      const place = new Place(this);
      series.attachPrimitive(place);
      return place;
    });
  }

  // Put a window on the chart; what is in sight stays, or becomes what is asked for in epoch milliseconds.
  show(view, sight = null) {
    this.view = view;
    this.ts = view.bars.ts;
    this.wanted = undefined; // it counted other buckets
    const places = decimals(view.bars.close.at(-1) ?? 1);
    if (places !== this.decimals) {
      this.decimals = places;
      this.candles.applyOptions({
        priceFormat: { type: "custom", formatter: (value) => amount(value, places), minMove: 10 ** -places },
      });
    }
    this.quiet = true; // what setData moves is no move of the reader's
    this.fill();
    if (sight) this.look(sight);
    else this.chart.timeScale().fitContent();
    this.quiet = false;
    this.say();
  }

  fill() {
    const colours = this.colours ?? this.paint();
    const { bars, equity } = this.view;
    const times = Array.from(this.ts, (ms) => ms / 1000);
    const column = (values) => times.map((time, at) => ({ time, value: values[at] }));
    const faint = { true: `${colours.down}44`, false: `${colours.up}44` };
    this.candles.setData(times.map((time, at) => ({
      time, open: bars.open[at], high: bars.high[at], low: bars.low[at], close: bars.close[at],
    })));
    this.volume.setData(times.map((time, at) => ({ time, value: bars.volume[at], color: faint[bars.close[at] < bars.open[at]] })));
    this.equity.setData(column(equity.equity));
    this.hold.setData(this.bought ? column(this.ts.map((ms, at) => this.held(ms, bars.close[at]))) : []);
    this.drawdown.setData(column(equity.drawdown));
    const held = { 1: colours.up, "-1": colours.down, 0: colours.line };
    this.position.setData(times.map((time, at) => ({ time, value: equity.position[at], color: held[equity.position[at]] })));
    const risks = ["transparent", `${colours.yellow}50`, `${colours.red}50`];
    this.risk.setData(times.map((time, at) => ({ time, value: equity.state[at], color: risks[equity.state[at]] })));
  }

  // Buy and hold of all of the start equity from the first open after the warm-up, free of cost.
  held(ms, close) {
    return ms < this.bought.ms ? this.start : this.start * (close / this.bought.price);
  }

  paint() {
    const colours = (this.colours = palette());
    this.chart.applyOptions(this.frame(colours));
    this.candles.applyOptions({ upColor: colours.up, downColor: colours.down, wickUpColor: colours.up, wickDownColor: colours.down });
    this.equity.applyOptions({ color: colours.equity });
    this.hold.applyOptions({ color: colours.hold });
    this.drawdown.applyOptions({
      topLineColor: colours.drawdown, bottomLineColor: colours.drawdown, topFillColor1: "transparent", topFillColor2: "transparent",
      bottomFillColor1: `${colours.drawdown}18`, bottomFillColor2: `${colours.drawdown}55`,
    });
    ["Price and volume", "Equity", "Drawdown", "Position and risk"].forEach((text, index) => {
      this.names[index].applyOptions({ lines: [{ text, color: colours.quiet, fontSize: 11, fontFamily: this.font() }] });
    });
    return colours;
  }

  font() {
    return getComputedStyle(document.body).fontFamily;
  }

  repaint() {
    this.paint();
    this.show(this.view, this.sight());
  }

  // Where things are -------------------------------------------------------------------------------------------------

  step() {
    return this.ts.length > 1 ? (this.ts.at(-1) - this.ts[0]) / (this.ts.length - 1) : 60_000;
  }

  // The bucket that holds an instant, as a place on the axis; between and beyond buckets in proportion.
  logical(ms) {
    const at = this.bucket(ms);
    const last = this.ts.length - 1;
    if (at < 0) return (ms - this.ts[0]) / this.step();
    if (at === last) return last + (ms - this.ts[last]) / this.step();
    return at + (ms - this.ts[at]) / (this.ts[at + 1] - this.ts[at]);
  }

  // The index of the bucket that begins at or before an instant; -1 before the first.
  bucket(ms) {
    let low = 0;
    let high = this.ts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ts[middle] <= ms) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  instant(logical) {
    const last = this.ts.length - 1;
    const at = Math.floor(logical);
    if (at < 0) return this.ts[0] + logical * this.step();
    if (at >= last) return this.ts[last] + (logical - last) * this.step();
    return this.ts[at] + (logical - at) * (this.ts[at + 1] - this.ts[at]);
  }

  sight() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    return range && { first: this.instant(range.from), last: this.instant(range.to) };
  }

  look({ first, last }) {
    this.chart.timeScale().setVisibleLogicalRange({ from: this.logical(first), to: this.logical(last) });
  }

  whole() {
    const { first_ms: first, last_ms: last } = this.view;
    return this.ts[0] <= first && this.bucket(last) === this.ts.length - 1 && this.reachesEnd();
  }

  reachesEnd() {
    return this.ts.at(-1) + this.step() * 1.5 >= this.view.last_ms;
  }

  // Moving -----------------------------------------------------------------------------------------------------------

  moved(range) {
    if (!range || this.quiet) return;
    this.figure.dataset.busy = "";
    // Not only once the reader pauses: who zooms on and on would come to the end of what is read.
    this.pause ??= setTimeout(() => {
      this.pause = undefined;
      this.refine();
    }, PAUSE_MS);
  }

  async refine() {
    const turn = (this.turn = Symbol("turn"));
    await this.fit();
    if (this.turn === turn && !this.pause) delete this.figure.dataset.busy;
  }

  async fit() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const sight = this.sight();
    if (!range) return;
    this.tell();
    this.told.view(sight, this.whole() && range.from < 1 && range.to > this.ts.length - 2);
    const seen = Math.min(range.to, this.ts.length - 1) - Math.max(range.from, 0);
    const margin = (range.to - range.from) * EDGE;
    const { view } = this;
    const finer = view.bucket !== view.timeframe && seen < SEEN_MIN && sight.last - sight.first < this.tried * 0.7;
    const earlier = range.from < margin && this.ts[0] > view.first_ms;
    const later = range.to > this.ts.length - 1 - margin && !this.reachesEnd();
    if (finer || earlier || later) {
      if (!(await this.read(sight))) return;
      await frames();
    }
    await this.readMarks();
  }

  async read(sight, { keep = true } = {}) {
    const asked = (this.asked = Symbol("window"));
    const start = performance.now();
    try {
      const view = await readWindow(this.api, around(sight));
      if (this.asked !== asked || !view.bars.ts.length) return true;
      const { bars, bucket } = this.view;
      // Where the answer is in the buckets that are there, finer ones need a closer look than this one.
      this.tried = bucket === view.bucket ? sight.last - sight.first : Infinity;
      const same = bucket === view.bucket && bars.ts[0] === view.bars.ts[0] && bars.ts.at(-1) === view.bars.ts.at(-1);
      // The reader may have moved on while the answer was under way: what is in sight now stays in sight.
      if (!same) this.show(view, keep ? this.sight() : sight);
      performance.measure("swap", { start });
      this.figure.dataset.bucket = view.bucket;
      this.tell();
      return true;
    } catch (error) {
      this.told.note(`Finer data could not be read. ${error.message}`);
      return false;
    }
  }

  // Trades are read where few enough are in sight; where there are more, buckets say how many were entered.
  async readMarks() {
    const sight = this.sight();
    const count = this.entered(sight);
    if (count > this.room()) {
      this.marks.set(null);
      return this.tell();
    }
    const has = this.marked;
    if (has && this.marks.trades && sight.first >= has.first && sight.last <= has.last) return this.tell();
    const part = around(sight);
    const asked = (this.askedMarks = Symbol("trades"));
    try {
      const trades = await readTrades(this.api, part);
      if (this.askedMarks !== asked) return undefined;
      this.marked = part;
      this.marks.set(trades);
    } catch (error) {
      this.told.note(`The trades could not be read. ${error.message}`);
      return undefined;
    }
    return this.tell();
  }

  room() {
    return Math.max(this.canvas.clientWidth / 9, 30);
  }

  // How many trades are entered in a stretch.
  entered({ first, last }) {
    const counts = this.counts();
    let sum = 0;
    for (let at = Math.max(this.bucket(first), 0); at <= this.bucket(last); at += 1) sum += counts[at];
    return sum;
  }

  counts() {
    const { entries_long: long, entries_short: short } = this.view.equity;
    if (this.counted !== long) {
      this.counted = long;
      this.sums = long.map((count, at) => count + short[at]);
    }
    return this.sums;
  }

  // A move shows with the next frame; until then the following one goes on from where it will be.
  do(what) {
    if (what === "all") return this.all();
    const scale = this.chart.timeScale();
    const { from, to } = this.wanted ?? scale.getVisibleLogicalRange();
    const [left, right] = MOVES[what];
    this.wanted = { from: from + (to - from) * left, to: to + (to - from) * right };
    scale.setVisibleLogicalRange(this.wanted);
    cancelAnimationFrame(this.soon);
    this.soon = requestAnimationFrame(() => requestAnimationFrame(() => { this.wanted = undefined; }));
    return undefined;
  }

  async all() {
    if (!this.whole()) {
      this.first ??= await readWindow(this.api);
      this.show(this.first);
      this.figure.dataset.bucket = this.first.bucket;
    }
    this.chart.timeScale().fitContent();
    await frames();
    await this.refine();
  }

  // Bring a stretch into sight with room around it; what is not read yet is read.
  async go(first, last) {
    const now = this.sight();
    const least = Math.min(this.finest() * 80, this.view.last_ms - this.view.first_ms);
    const span = Math.max((last - first) * 3, least);
    const middle = (first + last) / 2;
    const sight = { first: middle - span / 2, last: middle + span / 2 };
    const near = first >= now.first && last <= now.last && now.last - now.first < span * 6;
    if (near) return;
    if (sight.first >= this.ts[0] && sight.last <= this.ts.at(-1) && this.logical(sight.last) - this.logical(sight.first) >= 40) {
      this.look(sight);
    } else {
      if (!(await this.read(sight, { keep: false }))) return;
      this.look(sight);
    }
    await frames();
    await this.refine();
  }

  finest() {
    const { bars } = this.view;
    return this.step() / Math.max(bars.bars[bars.bars.length >> 1], 1);
  }

  // Choosing ---------------------------------------------------------------------------------------------------------

  clicked({ logical, point, paneIndex }) {
    if (logical === undefined || !point) return;
    const hit = paneIndex ? null : this.marks.at(point.x, point.y);
    if (hit === null) this.told.place(this.ts[Math.min(Math.max(Math.round(logical), 0), this.ts.length - 1)]);
    else this.told.trade(hit);
  }

  // A chosen trade is drawn wherever the others are only counted.
  choose(trade) {
    this.marks.choose(trade);
    const first = trade && Date.parse(trade.entry.ts);
    const last = trade && (trade.exit ? Date.parse(trade.exit.ts) : this.view.last_ms);
    for (const place of this.places) place.set(trade && { first, last });
    return trade ? this.go(first, last) : undefined;
  }

  point(ms) {
    this.marks.choose(null);
    for (const place of this.places) place.set(ms === null ? null : { first: ms, last: ms });
    return ms === null ? undefined : this.go(ms, ms);
  }

  // Telling ----------------------------------------------------------------------------------------------------------

  // The legend: the bucket below the crosshair, or the last one.
  say(logical) {
    const { bars, equity } = this.view;
    const last = this.ts.length - 1;
    const at = logical === undefined || logical === null ? last : Math.min(Math.max(Math.round(logical), 0), last);
    if (at < 0) return;
    const close = bars.close[at];
    const price = (value) => amount(value, this.decimals);
    const parts = [
      ["", stamp(this.ts[at])], ["O", price(bars.open[at])], ["H", price(bars.high[at])], ["L", price(bars.low[at])],
      ["C", price(close)], ["V", compact.format(bars.volume[at])], ["equity", amount(equity.equity[at])],
      ...(this.bought ? [["hold", amount(this.held(this.ts[at], close))]] : []),
      ["drawdown", percent(equity.drawdown[at])], ["", side(equity.position[at])], ["", STATES[equity.state[at]]],
    ];
    this.told.legend(parts);
  }

  tell() {
    const { bucket, timeframe } = this.view;
    const drawn = bucket === timeframe ? `Every bar of ${timeframe}.` : `Candles of ${bucket} stand for bars of ${timeframe}.`;
    const drawnTrades = this.marks.alive(this.sight());
    const counted = !drawnTrades || drawnTrades.length > this.room()
      ? "Numbers count the trades entered; zoom in to see each."
      : "Triangles enter (up long, down short), dots leave; a dashed line lost.";
    this.told.note(`${drawn} ${counted}`);
  }
}

// What a step changes at the left and the right edge, in parts of what is seen.
const MOVES = { earlier: [-0.25, -0.25], later: [0.25, 0.25], closer: [0.2, -0.2], wider: [0.2 / -0.6, 0.2 / 0.6] };

// What is drawn over the candles ---------------------------------------------------------------------------------------
//
// Trades as lines from entry to exit where there is room, else how many were entered; and in every pane the place that
// is chosen. Positions come from the chart at every frame, so nothing is kept of them.

class Primitive {
  constructor(chart) {
    this.chart = chart;
    this.views = [{ zOrder: () => this.order, renderer: () => ({ draw: (target) => target.useMediaCoordinateSpace((scope) => this.draw(scope)) }) }];
  }

  attached({ series, requestUpdate }) {
    this.series = series;
    this.update = requestUpdate;
  }

  detached() {
    this.update = () => {};
  }

  paneViews() {
    return this.views;
  }

  x(logical) {
    return this.chart.chart.timeScale().logicalToCoordinate(logical);
  }

  // Where a bar stands that opens at an instant: in the middle of the bucket that holds it.
  xOf(ms) {
    return this.x(Math.max(this.chart.bucket(ms), 0));
  }
}

// The stretch of a chosen trade, or the bar of a chosen decision.
class Place extends Primitive {
  order = "bottom";
  chosen = null;

  set(chosen) {
    this.chosen = chosen;
    this.update();
  }

  draw({ context, mediaSize }) {
    if (!this.chosen) return;
    const { first, last } = this.chosen;
    const left = this.xOf(first);
    const width = Math.max(this.xOf(last) - left, 1);
    context.fillStyle = `${this.chart.colours.chosen}${first === last ? "aa" : "20"}`;
    context.fillRect(left, 0, width, mediaSize.height);
  }
}

class TradeMarks extends Primitive {
  order = "top";
  trades = null;
  chosen = null;
  crowded = false;
  drawn = [];

  // Trades to draw; null where they are only counted.
  set(trades) {
    this.trades = trades;
    this.update();
  }

  choose(trade) {
    this.chosen = trade;
    this.update();
  }

  // The number of the trade whose mark is at a point of the pane, or null.
  at(x, y) {
    let best = null;
    let least = HIT_PX ** 2;
    for (const mark of this.drawn) {
      const far = (mark.x - x) ** 2 + (mark.y - y) ** 2;
      if (far <= least) [best, least] = [mark.trade, far];
    }
    return best;
  }

  hitTest(x, y) {
    const trade = this.at(x, y);
    return trade === null ? null : { cursorStyle: "pointer", externalId: `trade ${trade}`, zOrder: "top" };
  }

  draw({ context, mediaSize }) {
    this.drawn = [];
    const sight = this.chart.sight();
    if (!sight) return;
    const alive = this.alive(sight);
    this.crowded = !alive || alive.length > this.chart.room();
    if (this.crowded) this.count(context, mediaSize, sight);
    else for (const trade of alive) this.line(context, trade, false);
    if (this.chosen) this.line(context, this.chosen, true);
  }

  alive({ first, last }) {
    return this.trades?.filter((trade) => begins(trade) <= last && ends(trade, this.chart) >= first) ?? null;
  }

  // How many trades were entered, in cells wide enough to be read.
  count(context, { width }, sight) {
    const { chart } = this;
    const counts = chart.counts();
    const [low, high] = [Math.max(chart.bucket(sight.first), 0), chart.bucket(sight.last)];
    const cells = new Map();
    for (let at = low; at <= high; at += 1) {
      if (!counts[at]) continue;
      const cell = Math.floor(this.x(at) / CELL_PX);
      cells.set(cell, (cells.get(cell) ?? 0) + counts[at]);
    }
    context.font = `10.5px ${chart.font()}`;
    context.textAlign = "center";
    context.fillStyle = chart.colours.quiet;
    for (const [cell, count] of cells) {
      if (cell < 0 || cell * CELL_PX > width) continue;
      context.fillText(count.toLocaleString("en-US"), (cell + 0.5) * CELL_PX, 30);
    }
  }

  // One trade: a triangle where it was entered, a dot where it was left, a line between that is dashed where it lost.
  line(context, trade, chosen) {
    const { colours } = this.chart;
    const long = trade.side === "long";
    const result = trade.pnl ?? trade.unrealised;
    const color = chosen ? colours.chosen : result >= 0 ? colours.up : colours.down;
    const x = this.xOf(begins(trade));
    const y = this.series.priceToCoordinate(trade.entry.price);
    const endX = this.xOf(ends(trade, this.chart));
    const endY = this.series.priceToCoordinate(trade.exit ? trade.exit.price : trade.mark_price);
    if (y === null || endY === null) return;
    context.lineWidth = chosen ? 2.5 : 1.5;
    context.strokeStyle = color;
    context.setLineDash(result >= 0 ? [] : [4, 3]);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(endX, endY);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = color;
    context.strokeStyle = colours.paper;
    context.lineWidth = 1;
    const size = chosen ? SIZE_PX + 2 : SIZE_PX;
    const point = long ? -size : size;
    shape(context, [[x, y + point], [x + size, y - point * 0.8], [x - size, y - point * 0.8]]);
    if (trade.exit) {
      context.beginPath();
      context.arc(endX, endY, size * 0.7, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
      this.drawn.push({ x: endX, y: endY, trade: trade.trade });
    }
    this.drawn.push({ x, y, trade: trade.trade });
  }
}

const begins = (trade) => (trade.first ??= Date.parse(trade.entry.ts));
const ends = (trade, chart) => (trade.exit ? (trade.last ??= Date.parse(trade.exit.ts)) : chart.view.last_ms);

function shape(context, points) {
  context.beginPath();
  points.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  context.fill();
  context.stroke();
}
