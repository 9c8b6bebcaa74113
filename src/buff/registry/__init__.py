"""What the journal says is true: a pure fold of its events."""
