"""Training: the loop, its data, its history, and what is measured on the way."""
