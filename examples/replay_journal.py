"""Replay the journal of a root: print every event, and how many runs there were after it.

python examples/replay_journal.py ROOT
"""

import sys

import buff

store = buff.open(sys.argv[1])
for recorded in store.events():
    then = store.as_of(recorded.seq)
    print(f"{recorded.seq:>5}  {recorded.time}  {recorded.event.TYPE:<18} {len(then.runs)} runs")

assert store.as_of(recorded.seq) == store.state, "what the lists show is the journal, folded"
