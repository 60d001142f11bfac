"""Numbers and items at the edges of what DynamoDB allows, and the oracles that say what must become of them."""
