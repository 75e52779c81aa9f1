"""A local exchange: serves recordings over WebSocket and HTTP, and misbehaves on command."""
