"""The engine, in simulated time."""
