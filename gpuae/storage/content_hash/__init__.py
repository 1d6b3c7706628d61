"""The hash of what a file says, whatever its layout."""
