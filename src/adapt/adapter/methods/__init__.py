"""How a base gets a trainable adapter: one module per training method."""
