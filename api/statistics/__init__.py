"""Intervals and tests of the read side: pure functions of counts, None where nothing follows from
them.

Counts come in as integers, and answers are finite floats or None, so that they are JSON. Of SciPy
only `scipy.special` is used, and imported when it is first needed: it takes a tenth of a second and
30 MB. docs/decisions/0023-statistics-of-experiments.md has the choice of methods.
"""
