"""PipelineFailed: an action of the model code's pipeline that failed is told of once."""
