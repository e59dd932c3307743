"""Search clickstream: the command, settings, errors and the local servers."""

from importlib.metadata import version

__version__ = version("clickstream")
