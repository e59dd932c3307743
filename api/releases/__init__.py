"""Releases: what is visible at a moment, frozen into files that can be named again."""
