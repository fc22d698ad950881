"""From a version of an arm to the model in production: a decision that is measured and recorded.

The registered model `pix2z` holds copies of versions that were promoted. Its alias `champion` is
what is served, `previous` what a rollback returns to. Writes of a promotion come in this order, and
only the last one changes what is served; so this is what a kill leaves:

=== ========================================== =====================================================
 #  write                                      killed after it
=== ========================================== =====================================================
 1  the lock, a registered model of that name  nobody promotes for 15 minutes or until
                                               ``--break-lock``; so after 2 to 7 too
 2  the registered model `pix2z`, if missing   it is empty
 3  the copy, a new version of `pix2z`         a version without `promoted_at`; the next promotion
                                               of the same pool takes it, and makes no other copy
 4  tags of the copy                           they tell of a promotion that never took effect
 5  the event, a tag of `pix2z`                `history` shows it as without effect
 6  alias `previous`: the old champion         both aliases on one version; `rollback` finds the
                                               version before it in the events
 7  alias `champion`: the copy                 promoted
=== ========================================== =====================================================

A rollback writes 1, 5, 6 and 7.
"""
