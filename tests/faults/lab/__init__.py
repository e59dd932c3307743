"""The fault lab: a running system, load whose acknowledgements are written down, and faults.

A test reads: under this load, strike so often; then nothing that was acknowledged
is lost or doubled.
"""
