"""`buff bench`: what Buff costs, beside its rivals and the limits of the machine, measured side by side."""
