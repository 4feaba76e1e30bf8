"""Base models: found, pinned by a digest, brought into the Hugging Face layout, loaded."""
