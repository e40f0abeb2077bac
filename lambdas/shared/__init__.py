"""What the Lambdas share: errors, events, environment, AWS clients."""
