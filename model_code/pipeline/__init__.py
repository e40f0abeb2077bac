"""What stages Test and Build run beside the tests and docker: `python -m pipeline.<name>`.

Its modules import each other relatively: here they are `pipeline`, beside a checkout of another
name they are `model_code.pipeline`.
"""
