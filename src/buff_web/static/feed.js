// Reads a run from the API: windows of bars and equity in the buckets the server chose, and trades.

const BUCKETS = 2000;
export const TRADES_MAX = 600; // in sight at the same time; more are counted and not read

const JSON_TYPE = "application/json";
const SHEET = "application/vnd.buff.columns"; // docs/reference/http_api.md shows its layout

async function answer(address, options) {
  const found = await fetch(address, options);
  if (found.ok) return found;
  const told = await found.json().catch(() => null);
  throw new Error(told?.code ? `${told.code}: ${told.message}. ${told.hint ?? ""}` : `The server answered ${found.status}.`);
}

export async function ask(address, options = {}) {
  return (await answer(address, { ...options, headers: { accept: JSON_TYPE, ...options.headers } })).json();
}

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
export async function readTrades(api, part) {
  const query = between(part);
  query.set("limit", TRADES_MAX);
  const { items, total } = await ask(`${api}/trades?${query}`);
  return total > items.length ? null : items;
}

export async function readTrade(api, number) {
  const { items } = await ask(`${api}/trades?after=${number}&limit=1`);
  return items[0] ?? null;
}
