"""Results in, an artifact set with a manifest out; and a committed run directory read back."""
