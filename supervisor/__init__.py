"""An Erlang-style supervisor of operating-system processes. Knows nothing of what they do.

Rooms, and the only directions in which they may import:
``cli -> runtime -> host, link -> engine``; ``link -> protocol``. Nothing here imports ``workers``.
"""
