"""Alpaca records to a LoRA adapter, and what others need to use one: its prompt, loading, scoring and generation."""
