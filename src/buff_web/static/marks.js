// What is drawn over the candles: trades as lines from entry to exit where there is room, else how many were entered;
// and in every pane the place that is chosen. Positions come from the chart at every frame, so nothing is kept of them.

const CELL_PX = 54;
const HIT_PX = 9;
const SIZE_PX = 5;

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
export class Place extends Primitive {
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

export class TradeMarks extends Primitive {
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
