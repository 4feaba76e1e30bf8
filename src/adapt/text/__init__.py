"""Facts about written text that several rooms share: scripts without spaces, words."""
