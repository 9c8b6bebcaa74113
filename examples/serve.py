"""Serve the runs of a root as read-only pages and API on this machine, until Ctrl-C.

    python examples/serve.py ROOT [PORT]

`buff serve` does the same from the command line.
"""

import sys

import buff
from buff_web.server import serve

store = buff.open(sys.argv[1])
port = int(sys.argv[2]) if len(sys.argv) > 2 else 8780
sys.exit(serve(store, host="127.0.0.1", port=port))
