"""Tailrace: DynamoDB changes become typed OpenSearch documents that can be proved equal to their table."""

__version__ = "0.1.0"
