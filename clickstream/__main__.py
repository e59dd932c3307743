"""`python -m clickstream` is the `clickstream` command."""

from clickstream.commands import main

main()
