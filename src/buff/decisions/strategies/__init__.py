"""The registered strategies, one file each, every one a textbook rule with its citation."""
