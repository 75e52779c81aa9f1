"""The conversations, one file each: frozen, tagged msgspec structs.

They evolve by adding fields at the end with a default; a field never changes its type or meaning.
Amounts, prices and rates are ``Decimal`` (strings on the wire), times of data are UTC milliseconds.
"""
