"""IAM: who a request comes from, what policies let it do, and a record of what it did."""
