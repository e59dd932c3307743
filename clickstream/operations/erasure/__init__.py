"""Erase all data of a user from every table. docs/decisions/0010-erasure.md has the argument."""
