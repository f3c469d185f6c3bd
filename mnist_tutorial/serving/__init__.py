"""The trained network outside of Python's notebooks: exported, over HTTP, in Spark."""
