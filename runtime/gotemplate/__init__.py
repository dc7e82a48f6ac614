"""Templates of Go's ``text/template``, as ``--format`` takes them from Docker.

``parse`` and ``execute`` are all that others need: the language with its errors in Go's words, on plain values of
Python and those of ``values``. What Docker adds, its functions and its tables, is in ``runtime/cli/templates.py``.
"""
