"""What is deployed: settings, stacks, constructs and workflows."""
