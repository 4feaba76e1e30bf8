"""What the user wants, as frozen models; import the module that holds the section you need.

Kept empty on purpose: a stage's code fingerprint follows its imports, and re-exports here would tie every stage to every section.
"""
