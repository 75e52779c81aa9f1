"""What each exchange says and wants to hear: pure modules, one an exchange, with the same public names.

``events`` is what they turn frames into, ``port`` what they have in common, ``lacking`` what they answer
where they have nothing, ``reading`` (in them ``read``) how they take JSON apart, ``table`` where they are
looked up.
"""
