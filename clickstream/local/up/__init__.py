"""The whole system on one machine: engines, HTTP process and workers, run and found again."""
