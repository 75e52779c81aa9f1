"""Kills processes of a replay at seeded positions of its recording, and compares what is on the books."""
