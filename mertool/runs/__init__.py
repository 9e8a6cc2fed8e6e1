"""The run folder: how a run is begun, executed, read again and audited."""
