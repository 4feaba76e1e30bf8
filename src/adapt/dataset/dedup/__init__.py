"""Exact and near-duplicates of records, found on normalised text."""
