// Reads windows of a run from the API: bars, equity and trades in the buckets the server chose.

const BUCKETS = 2000;
const TRADES = 1000; // the most one answer holds

async function read(address, query) {
  const answer = await fetch(`${address}?${new URLSearchParams(query)}`, { headers: { accept: "application/json" } });
  const value = await answer.json();
  if (!answer.ok) throw new Error(`${value.code}: ${value.message}`);
  return value;
}

// A window in epoch milliseconds; undefined bounds are the run's own.
export async function readWindow(addresses, { first, last } = {}) {
  const part = {};
  if (first !== undefined) part.from = Math.floor(first);
  if (last !== undefined) part.to = Math.ceil(last);
  const [bars, equity, trades] = await Promise.all([
    read(addresses.bars, { ...part, max: BUCKETS }),
    read(addresses.equity, { ...part, max: BUCKETS }),
    read(addresses.trades, { ...part, limit: TRADES }),
  ]);
  return { bars, equity, trades };
}
