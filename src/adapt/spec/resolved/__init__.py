"""What each stage may read: one section per stage, all it depends on and nothing else.

`adapt stage resolve` writes these to build/resolved/<name>.yaml, and DVC re-runs a stage when its section changes. One
module each, so that a stage's code fingerprint, which follows imports, reaches the models of its own settings only.
"""
