"""Lists that were shown, as the training files of rankers: whole, in their order, with what was
clicked, and split so that nothing of a test is seen in training."""
