"""`clickstream demo`: realistic traffic through the public API, then a ledger of every id.

`catalog` → `simulator` make the sessions (pure), `disorder` makes late, repeated and changed posts
of them (pure), `load_generator` sends them, `latency` measures on the way, `verification` reads
everything back, `reconciliation` compares (pure), `report` prints the `result`. `stack` finds or
starts the system; `run` is the order of all this.
"""
