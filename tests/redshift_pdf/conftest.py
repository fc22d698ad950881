from hypothesis import settings

# The same examples on every run, and no deadline: a busy machine must not fail a test.
settings.register_profile("pix2z", derandomize=True, deadline=None)
settings.load_profile("pix2z")
