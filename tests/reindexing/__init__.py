"""Reindexing under fire: a table that is changed all the time, a searcher that never rests, jobs that are killed.

What is real: OpenSearch, the indexer's pipeline, `tailrace reindex` and `tailrace verify` as processes, S3 and its
exports on the laptop's emulator. What is not: DynamoDB. The emulator sorts the whole table for every page, so the table
is one in memory behind DynamoDB's own protocol, and its stream is a queue per shard. Invariant: nothing here repeats a
rule of Tailrace; what is right is judged by what searches find and by `tailrace verify`.
"""
