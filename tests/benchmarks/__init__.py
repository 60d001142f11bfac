"""What Tailrace claims to be fast at, measured as ratios in one run: `make bench`."""
