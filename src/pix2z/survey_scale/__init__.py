"""A survey too large for one process: cut into partitions, estimated by workers, one table each.

`partitions` cuts files into ranges of rows and says of each whether its table is there already;
`work` is what a worker does with one of them; `run` goes through all of them and bears with those
that fail; `cluster` is where the workers come from, the only module with Dask.
"""
