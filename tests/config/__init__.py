"""Tree files, from text to specifications."""
