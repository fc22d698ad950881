import numpy as np

from pix2z.network.estimator import load_pool
from pix2z.network.joint import joined


def test_a_joint_pool_answers_as_its_members_do(trained_pool, sample):
    pool = load_pool(trained_pool)
    joint = joined(pool)
    assert joint.digest == pool.digest
    images = sample.images(range(7))
    images[1, :, :, 0], images[2, :4] = np.nan, np.nan
    for n in (1, 2, 7, 1):
        ebv = np.linspace(0.0, 0.1, n)
        expected, found = (one.estimate(images[:n], ebv) for one in (pool, joint))
        np.testing.assert_allclose(found.density, expected.density, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found.z_median, expected.z_median, rtol=1e-5)
        np.testing.assert_array_equal(found.flags, expected.flags)
