"""What processes say to each other, and how it gets there.

A leaf: it imports neither ``supervisor`` nor ``workers``. Only ``transport/zeromq.py`` imports zmq.
"""
