"""Files before their format: inputs that are opened once, outputs that appear whole, limits."""
