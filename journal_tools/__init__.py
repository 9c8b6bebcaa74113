"""The journal seen from outside: show, verify, replay, repair."""
