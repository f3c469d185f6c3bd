"""Speed and accuracy, measured. Nothing here is imported by the package or the chapters."""
