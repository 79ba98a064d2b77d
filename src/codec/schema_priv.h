/* Shared by the schema_*.c files only. */
#ifndef INRO_CODEC_SCHEMA_PRIV_H
#define INRO_CODEC_SCHEMA_PRIV_H

#include "codec/schema.h"

/* What C type a member has. */
enum kind { KIND_STRING, KIND_INT, KIND_BOOL, KIND_LIST, KIND_SECRET };

enum kind kind_of(const struct field *f);
size_t kind_size(enum kind kind);
/* The limits in force: the table's, or the type's own. */
void field_limits(const struct field *f, int64_t *ret_min, int64_t *ret_max);

/* Refuses an input value; en takes {0} = English label, ja takes {1}; x and y are {2} and {3}. */
MUST enum rc field_refuse(struct err *err, const struct field *f, const struct msg *m,
                          const char *x, const char *y);
/* "must be a ..." in the words of the type. */
MUST enum rc field_wrong(struct err *err, const struct field *f);

/* Checked text -> member of any kind but secret. Lists are comma-separated. */
MUST enum rc field_from_text(const struct field *f, struct str text, struct arena *a, void *member,
                             struct err *err);
MUST enum rc field_set_int(const struct field *f, int64_t v, void *member, struct err *err);
MUST enum rc field_check_item(const struct field *f, struct str item, struct err *err);
MUST enum rc field_check_count(const struct field *f, size_t n, struct err *err);
MUST enum rc field_check_secret(const struct field *f, struct str clear, struct err *err);

/* The field that f's only_if names, if it comes before f; *ret_values gets "a|b". */
const struct field *field_condition(const struct field *fields, const struct field *f,
                                    struct str *ret_values);
bool values_have(struct str values, struct str value);
bool field_has_choice(const struct field *f, struct str value);
const char *l10n_pick(struct l10n t, const char *lang);
const char *field_type_name(enum field_type type);

#endif
