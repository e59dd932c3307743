"""How relevant each object is for each query, judged by clicks: pure functions of counts in NumPy.

A pair is a query and an object. A cell is a pair at a position: how often it was shown there, and
what that brought. Nothing here knows sessions, so time and memory grow with the cells alone.
"""
