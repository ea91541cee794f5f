"""A small world of pixel-art postcards, and the text-to-image model trained on it."""
