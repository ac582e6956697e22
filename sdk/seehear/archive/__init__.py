"""Long lists of recordings: a row in, a result out, on the cores of this computer or of a Ray cluster.

`rows` reads a list, `pool` hands its rows to workers and survives their deaths, `local_pool` and `ray_pool` are the workers,
`manifest` keeps what is done. docs/archive.md has the whole of it.
"""
