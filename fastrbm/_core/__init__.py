"""What the rest of the package stands on: kernels, layouts, checks, files. Nothing here is public."""
