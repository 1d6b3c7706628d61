"""What made a file, whether it is complete and unchanged, and how two files differ."""
