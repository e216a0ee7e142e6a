"""What a desk does: one verb per module, one transaction per function.

A service decides what must be true together and commits it. It never waits for the outside
world inside a transaction.
"""
