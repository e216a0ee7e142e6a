"""The database: the only place with SQL, one module per table, one function per statement.

Functions take a connection and never commit; the services above own the transactions.
"""
