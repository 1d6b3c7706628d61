"""Functions that a configuration names: each is one record, with all that has to be known of it.

A record has its definition in NumPy, what the compiled backend makes its loops of, the name of its
CUDA struct, and what settings, defaults, initial weights and documents ask about it. To add a
function, write its record and its struct; everything else goes through the registry.
"""
