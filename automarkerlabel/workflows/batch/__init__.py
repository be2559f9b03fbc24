"""One piece of work done with many files: here, in worker processes, or on a cluster; what is done already is left.

found      patterns to files
task       what is done with each, and what came of it
here, pool, cluster   where it is done
manifest   what was done, on disk
batch      all of it together
"""
