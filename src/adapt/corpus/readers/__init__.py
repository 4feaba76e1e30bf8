"""One module per kind of raw file; each turns a file into drafts, or says why a piece of it cannot be used."""
