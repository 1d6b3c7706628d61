"""Rows made small by a trained model: codes that are rounded and packed, and rows from them."""
