"""What is fetched: files by resumable download, SDSS galaxies by list, the NERSC set."""
