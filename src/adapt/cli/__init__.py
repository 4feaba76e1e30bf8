"""The command line: flags to one library call to print. Errors are caught here and nowhere else."""
