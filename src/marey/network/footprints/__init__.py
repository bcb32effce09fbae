"""What every tensor of a forward pass sees of the inputs, followed through its operations."""
