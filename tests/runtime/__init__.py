"""The root process."""
