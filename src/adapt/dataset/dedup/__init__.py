"""Duplicates of records and repeated passages, found on normalised text."""
