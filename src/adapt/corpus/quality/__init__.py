"""What is measured of a text: its language and the signals that quality bounds are set on."""
