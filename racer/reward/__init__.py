"""What the user's reward function is told, and how it is called: the params table, loading, and the seam."""
