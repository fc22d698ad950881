"""What downloads are made of: requests, answers, the partial file, the record beside the file."""
