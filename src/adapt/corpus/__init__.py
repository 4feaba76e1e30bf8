"""Raw corpus files to clean documents."""
