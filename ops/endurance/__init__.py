"""``ops/soak``: a tree on a market whose exchange misbehaves at random."""
