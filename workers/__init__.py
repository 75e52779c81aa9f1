"""The trading system: rooms with the same furniture. Imports ``protocol``, never ``supervisor``."""
