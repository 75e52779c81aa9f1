"""The root's conversations, over the network in memory."""
