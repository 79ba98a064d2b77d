/*
 * What OV and EV applications ask of the applicant: the organisation in the form it stands in the
 * certificate (English) and in the form of its register (Japanese), and the persons who answer
 * for it. Field tables for forms, and the rules a table cannot say.
 */
#ifndef INRO_MODEL_ORGANISATION_H
#define INRO_MODEL_ORGANISATION_H

#include "base/arena.h"
#include "codec/schema.h"
#include "model/types.h"

extern const struct field organisation_fields[]; /* over struct organisation */
extern const struct field contact_fields[];      /* over struct contact */

bool country_is_known(const char *code); /* ISO 3166-1 alpha-2, upper case */

/*
 * What the field table accepted -> as it is kept: the country in upper case, numbers without
 * hyphens. RC_INPUT names the field. Limits are those of X.520 (O 64, L and ST 128 characters).
 */
MUST enum rc organisation_settle(struct organisation *o, struct arena *a, struct err *err);
MUST enum rc contact_settle(struct contact *c, struct arena *a, struct err *err);

#endif
