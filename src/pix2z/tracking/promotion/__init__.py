"""From a version of an arm to the model in production: a decision that is measured and recorded.

`candidate` says what is proposed, `judgement` puts it through the lines of `gate`, reading what it
predicted and what it is held against (`evidence`), and what it answers as it would be served
(`smoke`); `production` writes, and `trail` keeps what was written; `restoring` brings it back into
a store that was made anew.

The registered model `pix2z` holds copies of versions that were promoted. Its alias `champion` is
what is served, `previous` what a rollback returns to. One process of a machine writes at a time.
Writes of a promotion come in this order, so this is what a kill leaves:

=== ========================================== =====================================================
 #  write                                      killed after it
=== ========================================== =====================================================
 1  the registered model `pix2z`, if missing   it is empty
 2  the copy, a new version of `pix2z`         a version without `promoted_at`; the next promotion
                                               of the same pool takes it, and makes no other copy
 3  tags of the copy                           they tell of a promotion that never took effect
 4  the event, a tag of `pix2z`                `history` shows it as without effect
 5  alias `previous`: the old champion         both aliases on one version; `rollback` finds the
                                               version before it in the events
 6  alias `champion`: the copy                 promoted; the next `promote` or `rollback` writes
                                               promotions.json, from the events
 7  promotions.json                            promoted
=== ========================================== =====================================================

A rollback writes 4 to 7.
"""
