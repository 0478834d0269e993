"""What is installed, who brought it, and what stands for its code."""
