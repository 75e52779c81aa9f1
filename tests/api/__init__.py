"""Tests of the Python API: trees from code, inside a program or as its whole purpose."""
