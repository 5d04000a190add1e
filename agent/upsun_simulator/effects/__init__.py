"""What activities change in the state: one module for each thing that they change."""
