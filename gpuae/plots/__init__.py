"""Pictures drawn by matplotlib, and in a terminal."""
