"""FindEndpoint and WaitForEndpoint: create or update, and is it in service yet."""
