"""What activities change in the world: one module for each thing that they change."""
