"""The feed on a living market: pure rules, one a file, and ``core`` that applies them all."""
