"""What all parts share: errors, files, numbers, screen, processes, the tasks' records.

Above it are five rooms, each of which may import those before it: ``data``, ``weights``,
``config``, ``loop``, ``run``.
"""
