"""Benchmarks: what the product takes, beside the least that the same machine needs for it in the same run."""
