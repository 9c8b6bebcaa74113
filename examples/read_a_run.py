"""Read what is stored of every run of a root: bars, decisions, trades, equity. Nothing is computed again.

python examples/read_a_run.py ROOT
"""

import sys

import buff

store = buff.open(sys.argv[1])
for entry in store.runs(sort="created").items:
    run = store.run(entry.run_id)
    acted = [record for record in run.records if record["action"] != "HOLD"]
    print(run.id, run.inputs["symbol"], run.inputs["timeframe"], run.bars)
    print(f"  {len(run.records)} decisions, {len(acted)} of them to act; {len(run.trades)} trades")
    print(f"  equity {run.equity[0]:.2f} to {run.equity[-1]:.2f}, worst drawdown {run.drawdown.min():.4f}")
    for record in acted[:3]:
        print(f"  {record['ts']}  {record['action']}  because of {record['reason']}")
    for event in run.timeline:
        print(f"  {event['ts']}  {event['title']}: {event['detail']}")
