"""Bars in, decisions, trades, equity and metrics out. Pure."""
