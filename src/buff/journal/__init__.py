"""Facts in, the same facts back, whatever the disk did."""
