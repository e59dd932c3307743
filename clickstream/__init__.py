"""Search clickstream: the command, settings, errors and the embedded engines."""

from importlib.metadata import version

__version__ = version("clickstream")
