"""A real Ray cluster on this machine, for slow tests: a head that runs nothing, and two nodes of one core each."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def two_nodes() -> Iterator[str]:
    """Yields the address of the cluster; skips the test where Ray is not installed."""
    utilities = pytest.importorskip("ray.cluster_utils", reason="needs the extra ray")
    cluster = utilities.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()
