"""Tests of the live feed: simulated time, no network."""
