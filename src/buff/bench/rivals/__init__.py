"""The rivals, as their users write them. Imported, or run as scripts of their own, only when it is their turn."""
