"""Going further: what the optional chapters teach, on top of the seven."""
