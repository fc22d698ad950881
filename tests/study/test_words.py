"""Each question's sentence on planted numbers: shown, shown the other way, and undecided."""

import pytest

from pix2z.study.words import answers_in_words, would_meet


def around(value, half=1.0):
    return {"value": value, "low": value - half, "high": value + half}


ABOVE, BELOW, OPEN = around(3.0), around(-3.0), around(0.5)


def bin_of(mean, width=OPEN, need=2.0):
    return {"bias_mean": mean, "bias_width": width, "need": need}


@pytest.mark.parametrize(
    ("bias", "verdict"),
    [
        (around(0.0), "yes"),
        (around(-0.9), "yes"),
        (around(3.5), "no"),
        (around(-3.5), "no"),
        (around(2.5), "open"),
        (around(-2.5), "open"),
        (around(0.0, 5.0), "open"),
        ({"value": 0.0, "low": None, "high": None}, "open"),
    ],
)
def test_a_mean_would_meet_the_need_where_its_whole_interval_does(bias, verdict):
    assert would_meet(bin_of(bias)) == verdict


def test_means_are_counted_and_intervals_without_zero_are_named():
    bins = {
        "full": [bin_of(around(0.0)), bin_of(around(2.5))],
        "trees": [bin_of(around(9.0), BELOW), bin_of(around(0.0, 5.0))],
    }
    assert answers_in_words({"tomography": bins})["tomography"] == (
        "Of 2 bins the mean would meet the need in 1 of `full` and 0 of `trees`; it would miss it "
        "in 1 of all 4, the others are open. Of the 8 intervals of means and widths, 0.4 would "
        "exclude 0 by chance; 3 do: mean of `full` in bin 2, mean of `trees` in bin 1 and width "
        "of `trees` in bin 1."
    )
    fair = answers_in_words({"tomography": {"full": [bin_of(around(0.0))]}})["tomography"]
    assert "it would miss it in none of all 1" in fair
    assert fair.endswith("by chance; none do.")


def test_the_value_of_a_pit_distance_decides_and_not_its_interval():
    def pit(value):
        return {name: around(value) | {"calibrated_95": 2.0} for name in ("pit_rmse", "pit_kl")}

    seen = {"pit": {"full": pit(1.9), "trees": pit(1.0) | {"pit_kl": pit(2.1)["pit_kl"]}}}
    assert answers_in_words(seen)["pit"] == (
        "A departure from uniform is seen for `trees` (PIT-KL)."
    )
    assert answers_in_words({"pit": {"full": pit(1.9)}})["pit"].startswith("No departure")


def test_slopes_are_told_apart_by_the_interval_of_their_difference():
    slopes = {"full": around(1.0), "apertures": around(0.5), "catalogue": BELOW, "trees": ABOVE}
    found = {
        "attenuation": {n: {"pooled": {"along_z_phot": of}} for n, of in slopes.items()},
        "attenuation_of_full_less": {
            "apertures": {"along_z_spec": OPEN},
            "catalogue": {"along_z_spec": ABOVE},
            "trees": {"along_z_spec": BELOW},
        },
    }
    assert answers_in_words(found)["attenuation"] == (
        "Of the differences in redshift at one colour `full` sees more than `catalogue`, less "
        "than `trees` and an amount not shown to differ from `apertures`. The slope of z_spec on "
        "z_phot is not 1 for `catalogue` and `trees`."
    )
    alone = {"attenuation": {"full": found["attenuation"]["full"]}, "attenuation_of_full_less": {}}
    assert answers_in_words(alone)["attenuation"] == (
        "The slope of z_spec on z_phot is not shown to differ from 1 for any."
    )


def test_a_band_is_worth_most_only_where_no_other_may_be():
    percent = {"u": around(20.0), "g": around(34.0), "r": around(18.0)}
    found = {"bands": {"whole": {"percent": percent}}}
    assert answers_in_words(found)["bands"] == (
        "g is worth most, 34 (33 to 35) % of what all bands gain."
    )
    percent["u"] = around(32.5)
    assert answers_in_words(found)["bands"] == (
        "g has the largest share, 34 (33 to 35) % of what all bands gain; u may be worth as much."
    )


def test_crps_falls_or_rises_where_the_change_between_sizes_excludes_zero():
    def curve(first, before):
        points = [{"n_groups": n} for n in (500, 1000, 2000)]
        return {"points": points, "change_from": {500: first, 1000: before}}

    curves = {
        "full": curve(BELOW, OPEN),
        "published_full": curve(BELOW, ABOVE),
        "apertures": curve(OPEN, BELOW),
    }
    assert answers_in_words({"learning_curves": curves})["learning_curves"] == (
        "From 500 to 2,000 groups the CRPS is lower for `full` and `published_full` and is not "
        "shown to change for `apertures`; from 1,000 to 2,000 groups the CRPS is higher for "
        "`published_full`, is lower for `apertures` and is not shown to change for `full`."
    )
    one = {"full": {"points": [{"n_groups": 500}], "change_from": {}}}
    assert answers_in_words({"learning_curves": one})["learning_curves"] == ""


def test_a_gain_is_asked_on_the_other_sky_and_so_is_its_change():
    sizes = {
        "sizes_do_not": {"gain": {"apertures": OPEN, "catalogue": ABOVE}},
        "difference_of_gains": {"apertures": ABOVE, "catalogue": OPEN},
        "rise": {"full": ABOVE, "catalogue": OPEN},
    }
    said = answers_in_words({"sizes": sizes})["sizes"]
    assert said == (
        "Where sizes are independent of redshift, `full` is better than `catalogue` and is not "
        "shown to differ from `apertures`; against the sky as rendered, its gain is smaller over "
        "`apertures` and not shown to differ over `catalogue`."
    )
    rising = sizes | {"rise": {"full": OPEN, "catalogue": ABOVE}}
    more = answers_in_words({"sizes": rising})["sizes"].removeprefix(said)
    assert more.startswith(" The CRPS of `catalogue`, which is given no size, rises too")
