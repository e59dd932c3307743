"""`clickstream demo`: realistic traffic through the public API, then a ledger of every id.

`catalog` → `traffic` make the posts (pure), `schedule` brings disorder into them (pure), `drive`
sends them, `freshness` measures on the way, `readback` reads everything back, `ledger` compares
(pure), `report` prints. `system` finds or starts the system; `run` is the order of all this.
"""
