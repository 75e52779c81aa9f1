"""Pure: events and time in, commands out. No clock, randomness source, os, logging or zmq in this room."""
