"""The one room that imports an SDK, speaks HTTP or reads files. The core never imports from here."""
