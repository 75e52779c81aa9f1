"""The operating system: processes, signals, time, and what children write. One port, real and simulated."""
