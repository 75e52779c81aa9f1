"""The conversations of the root: with its children (ready, beat, done) and with operators (status, ...).

Imports the engine and ``protocol``; the runtime decides what to do with what is heard.
"""
