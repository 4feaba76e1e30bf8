"""Runs pure functions over many tasks, here or on a cluster, and gives the results in the order of the tasks."""
