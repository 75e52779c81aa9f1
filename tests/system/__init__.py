"""The whole, with real processes."""
