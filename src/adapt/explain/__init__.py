"""Says of a built data set what became of every row and why; reads the outputs of the corpus and dataset stages, and runs nothing."""
