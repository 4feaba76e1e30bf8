"""What runs inside the server: which adapters it loads, what their names are, and who may ask.

`adapt` renders a copy of this package, under the name `adapt_serving`, beside the server's configuration.
It imports nothing of `adapt`, so that the serving environment needs only what vLLM brings: the standard
library, `cryptography`, `numpy` and `prometheus_client`.
"""
