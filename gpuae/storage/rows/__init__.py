"""Rows in memory, mapped, or read when they are asked for, and what is known about them."""
