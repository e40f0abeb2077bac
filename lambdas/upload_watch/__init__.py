"""UploadWatch: every uploaded file postpones the sealing of its data set version."""
