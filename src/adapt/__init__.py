"""A declarative build system for datasets and adapters."""
