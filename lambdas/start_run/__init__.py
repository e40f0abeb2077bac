"""StartRun: a manifest, the reconciler or a schedule starts one execution."""
