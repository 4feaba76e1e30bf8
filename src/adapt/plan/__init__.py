"""Specs to stages: what there is to build, what is stale and why, and DVC to build it."""
