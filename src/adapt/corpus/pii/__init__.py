"""Personal data and secrets: finding them, and masking, pseudonyms or refusal by kind."""
