"""An adapter to figures and to a verdict: base against adapter on the test split, then figures against gates."""
