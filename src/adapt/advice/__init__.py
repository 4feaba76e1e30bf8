"""What to train with, and what it will take: advice on settings, forecasts of memory and time, what fits a machine."""
