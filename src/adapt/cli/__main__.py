"""`python -m adapt.cli` is `adapt`."""

from adapt.cli.main import main

main()
