"""A page in a browser that shows a run of training while it goes on."""
