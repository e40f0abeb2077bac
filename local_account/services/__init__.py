"""One module (or package) a service: what moto lacks, or only pretends to do."""
