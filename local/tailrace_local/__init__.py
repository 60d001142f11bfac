"""The laptop cloud: what `template.yaml` declares, run on this machine.

Invariant: everything it starts listens on loopback only and is gone when its starter is gone.
"""
