"""Output folders: built aside, complete or absent, with a manifest that says what they were made from."""
