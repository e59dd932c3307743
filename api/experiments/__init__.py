"""GET /analytics/experiment and /analytics/interleaving: variants and rankings compared."""
