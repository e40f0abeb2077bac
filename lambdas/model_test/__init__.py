"""TestModel: labelled rows through the endpoint."""
