"""The stateful model: tables as dicts, histories of what may happen to them, and the index that must end up equal."""
