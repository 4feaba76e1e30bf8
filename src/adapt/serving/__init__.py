"""Adapters that passed their gates to one vLLM configuration. Imports neither vllm nor torch: the server runs in an environment of its own."""
