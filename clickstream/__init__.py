"""The `clickstream` command, what operates the system, and the system on one machine."""

from importlib.metadata import version

__version__ = version("clickstream")
