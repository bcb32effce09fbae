"""What is looked at: a module with its streams, units and layers."""
