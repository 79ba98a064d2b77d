/* The pair the GUI serves with, DATA/tls/gui.crt and gui.key: people may put their own there. */
#ifndef INRO_APP_GUI_PAIR_H
#define INRO_APP_GUI_PAIR_H

#include "app/config.h"
#include "base/clock.h"

/*
 * Sees to a pair that can be used now: the present one; else one that lies beside it as .old (put
 * aside while the clock was wrong, or half of it was not there yet), which changes places with it;
 * else a new self-signed one. A pair that Inro did not make is never lost, and one that is not
 * valid yet stays where it was put.
 */
MUST enum rc gui_pair_ready(const struct config *c, const struct clock *clock, struct arena *a,
                            struct err *err);

#endif
