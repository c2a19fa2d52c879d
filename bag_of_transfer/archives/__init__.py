"""Public data sets from their official archives: checked, unpacked, arranged, counted.

One way through: ``catalogue`` (what there is) -> ``prepare`` (what is done, in order) ->
``download`` or ``check``, ``unpack``, ``arrange``, ``counting``.
"""
