"""The main job: real data into tables, changed while the pipeline runs, then every item held against its document.

Invariant: the demo judges the pipeline from outside, by what the tables and the searches say; it never helps it along.
"""
