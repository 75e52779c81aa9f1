"""How frames travel: one port, real sockets and a network in memory. Only zeromq.py imports zmq."""
