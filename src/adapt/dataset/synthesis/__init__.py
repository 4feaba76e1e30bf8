"""Questions and answers that a teacher model makes from running text."""
