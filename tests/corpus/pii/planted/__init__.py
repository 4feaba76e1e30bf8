"""A planted set for personal data: sentences written by hand, numbers made by seeded code, English and Chinese.

`bench/pii.py` reports on the whole set, `test_planted.py` on a part of it. The sentences were written before the rules were tried on them and are
not to be bent to the rules: a sentence that shows a fault stays.
"""
