"""Benchmarks: each prints one line of JSON per contender, and a ratio."""
