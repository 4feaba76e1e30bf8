"""What there is to read: files of the corpus folder and of remote stores, members of archives, queries, hub data sets, installed packages."""
