"""What growth costs: tasks, catalogues."""
