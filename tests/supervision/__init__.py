"""Thirty failures of supervisors, one after the other, each proven absent with real processes."""
