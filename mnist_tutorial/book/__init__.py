"""What the pages of the book need: figures, exercises, and the parts that answer."""
