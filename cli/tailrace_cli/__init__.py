"""The command line: composition only. Whatever it decides, a module of `tailrace` or `tailrace_local` decides."""
