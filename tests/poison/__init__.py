"""Poison records: more than 200 kinds of what a stream should never carry, each with the end that it must come to."""
