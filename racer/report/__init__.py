"""Pictures and pages for people: what a reward function pays, and what a run has learned."""
