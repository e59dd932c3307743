"""Dead letters for operators: listed, looked at, put back into their topic, purged.

docs/dead-letters.md is the page for users.
"""
