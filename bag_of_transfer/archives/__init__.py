"""Public data sets from their official archives: checked, unpacked, arranged, counted.

Read in this order: ``catalogue`` (the data sets) -> ``prepare`` (the steps) ->
``download`` or ``check``, ``unpack``, ``arrange``, ``counting``.
"""
