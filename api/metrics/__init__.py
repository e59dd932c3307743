"""The catalogue of metrics, and the questions that are asked of it."""
