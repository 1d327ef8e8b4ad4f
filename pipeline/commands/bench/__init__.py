"""`threadline bench`: each stage beside what it is built on, and what it could have been, in one run.

Every contender is a process of its own and reads the same topic, one after another: figures of different runs, or of
different machines, cannot be compared. `stream` is the command; `load` fills the topic, `bare_client`, `stock_faust`
and `our_stage` are the contenders, `contender` starts them, `open_threads` holds a million threads open, `measure`
looks at processes from outside. `peers` runs other session windows, in an environment of their own.

`query` is the command that measures reads: `storage` runs a ClickHouse, `archive` fills it, `reads` are the requests.

`gateway` is the command that measures the way in: `requests` are made as the SDKs make them, `http_load` sends them,
`bare_gateway` does the same work without HTTP, `our_gateway` runs ours, `fairness` puts two workspaces beside each
other. `e2e` is the command that measures the whole stack; `arrivals` sees when what was sent can be read.
"""
