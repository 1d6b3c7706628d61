"""What made a file, whether it is whole, and how two files differ."""
