"""A market that does not exist, for demos and tests of any length."""
