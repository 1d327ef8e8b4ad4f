"""ClickHouse for one machine: the chDB engine in a process of its own, behind the ClickHouse HTTP interface.

What a client sees is a ClickHouse server on 127.0.0.1, so that no stage knows whether it runs in production. What is
not there: users and grants, clusters, Keeper, the native TCP protocol, and `system.query_log`.

`statement`, `wire`, `encodings` and `failures` are the rules of the interface, without I/O; `engine` is chDB; `query`
runs one request on it; `sessions` remembers what a client's session remembers; `server` speaks HTTP.
"""
