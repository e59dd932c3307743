"""What users would pick instead, each as a good engineer would set it up."""
