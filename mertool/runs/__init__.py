"""The run folder: how a run is started, executed, read again and audited."""
