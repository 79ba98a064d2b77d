/* Inside of the command line: one struct cli per run, commands as rows. */
#ifndef INRO_APP_CLI_PRIV_H
#define INRO_APP_CLI_PRIV_H

#include "app/cli.h"
#include "connect/connect.h"

enum {
    EXIT_ANY = 1,
    EXIT_USAGE = 2,
    EXIT_INPUT = 3,
    EXIT_NOT_FOUND = 4,
    EXIT_REMOTE = 5,
    EXIT_DENIED = 6,
    EXIT_LICENCE = 7
};
enum { ARGS_MAX = 256 };

struct cli_opt {              /* an option as typed */
    const char *name, *value; /* value NULL: given without one */
};

struct cli {
    struct arena *a;
    const char *lang, *data, *server, *token;
    bool json;
    const struct cli_command *cmd;
    const char *args[ARGS_MAX]; /* what is no option */
    size_t arg_count;
    struct cli_opt opts[ARGS_MAX];
    size_t opt_count;
    struct http_client *http;
    struct egress_policy egress;
};

struct cli_option {           /* an option a command knows */
    const char *name, *value; /* value NULL: a switch; else its placeholder */
    struct l10n help;
};

struct cli_command {
    const char *group, *verb, *args; /* verb: one or two words; NULL: the group is the command */
    size_t min, max;
    struct l10n help;
    int (*run)(struct cli *c, struct err *err); /* exit status, or -1 with err set */
    const struct cli_option *options;           /* ends with name NULL */
    const char *kind;                           /* connector kind: routes and setting flags */
    bool fields;                                /* takes setting flags as well */
};

/* A command's own options, ended as they must be. */
#define OPTIONS(...)                                                                               \
    (const struct cli_option[])                                                                    \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, NULL,                                                                            \
            {                                                                                      \
                NULL, NULL                                                                         \
            }                                                                                      \
        }                                                                                          \
    }

struct cli_command_set {
    const struct cli_command *v;
    size_t n;
};
extern const struct cli_command_set cli_set_local, cli_set_main, cli_set_keep, cli_set_licence,
    cli_set_orgs, cli_set_people, cli_set_vendor, cli_set_change, cli_set_discover;

/* cli.c */
const struct cli_command *cli_command_at(size_t i); /* NULL past the last */
bool cli_ja(const struct cli *c);
const char *cli_text(const struct cli *c, const struct l10n *t);

/* cli_orgs.c */
const struct field *cli_org_fields(const struct cli_command *d); /* NULL: not of this group */

/* cli_args.c */
MUST enum rc cli_parse(struct cli *c, int argc, char **argv, struct err *err);
const char *cli_opt(const struct cli *c, const char *name); /* "" for a switch; NULL = absent */
/* All values of an option given several times, or with commas, as a list; none: no member. */
void cli_put_list(const struct cli *c, const char *name, const char *key, struct json_writer *w);
MUST enum rc cli_file(struct cli *c, const char *path, bool secret, struct str *ret,
                      struct err *err);
/* The setting flags of the command as a JSON object; `known` are the command's own options. */
MUST enum rc cli_settings(struct cli *c, const struct field *fields, const char *prefix,
                          struct json_writer *w, struct err *err);

/* The same into an object that is open already. */
MUST enum rc cli_members(struct cli *c, const struct field *fields, const char *prefix,
                         struct json_writer *w, struct err *err);

/* cli_call.c */
MUST enum rc cli_call(struct cli *c, const char *method, const char *path, struct str body,
                      struct json **ret, struct err *err);
MUST enum rc cli_raw(struct cli *c, const char *method, const char *path, struct str body,
                     const char *idempotency, struct str *ret, struct err *err);
/* "/certs/" + escaped name + tail, in the arena; NULL when out of memory. */
const char *cli_path(struct cli *c, const char *base, const char *name, const char *tail);
/* DELETE; the exit status. Says nothing but with --json. */
int cli_remove(struct cli *c, const char *path, struct err *err);
/* Prints activities until the job (and the roll-out it started) ended; *ret_exit by the outcome. */
MUST enum rc cli_follow(struct cli *c, int64_t job, int *ret_exit, struct json **ret_job,
                        struct err *err);

/* cli_conn.c, for commands of a connector kind */
const char *cli_conn_base(const struct cli *c);
MUST enum rc cli_conn_head(const struct cli *c, const char *type, const struct conn_head **ret,
                           struct err *err);

/* cli_cert.c */
MUST enum rc cli_put_csr(struct cli *c, struct json_writer *w, struct err *err); /* --csr */
void cli_put_names(struct json_writer *w, struct str text); /* "names": of a,b,c */
MUST enum rc cli_target_ops(const char *type, const struct target_ops **ret, struct err *err);
void cli_put_number(struct json_writer *w, const char *key, const char *text); /* NULL: nothing */

/* cli_print.c */
struct cli_column {
    const char *path;
    struct l10n title;
};
void cli_json(const struct json *j);
/* An answer as people or programs want it; the exit status. */
int cli_show(struct cli *c, const struct json *j);
/* One page of a list: base?limit=..&page=..more; rows as a table, or the JSON. */
int cli_list(struct cli *c, const char *base, const char *more, const char *page,
             const struct cli_column *cols, size_t n, struct err *err);
/* The items of an answer as a table, or the whole as JSON; 0. */
int cli_items(struct cli *c, const struct json *answer, const struct cli_column *cols, size_t n);
void cli_table(struct cli *c, const struct json *items, const struct cli_column *cols, size_t n);
void cli_details(struct cli *c, const struct json *j);
void cli_error(struct cli *c, const struct err *err);
void cli_print_error(struct cli *c, const struct json *error);
void cli_help(const char *lang, const struct cli_command *cmd, struct buf *out);
void cli_usage(const char *lang, const char *group, struct buf *out);

typedef int cli_fn(struct cli *c, struct err *err);
cli_fn cli_doctor, cli_completion, cli_manual;
cli_fn cli_conn_add, cli_conn_change, cli_conn_list, cli_target_list, cli_conn_show, cli_conn_job,
    cli_conn_remove;
cli_fn cli_cert_request, cli_cert_list, cli_cert_show, cli_cert_tag, cli_cert_renew,
    cli_cert_revoke, cli_cert_remove, cli_cert_import, cli_cert_export, cli_cert_csr, cli_bind,
    cli_deploy, cli_undo;
cli_fn cli_watch_add, cli_watch_list, cli_watch_now, cli_watch_remove, cli_job_list, cli_job_show,
    cli_job_change, cli_job_approve, cli_audit_list, cli_audit_verify, cli_docs, cli_system;

/* -1 with err set becomes the exit status in cli_main(). */
#define CLI_TRY(expr)                                                                              \
    do {                                                                                           \
        if ((expr) != RC_OK)                                                                       \
            return -1;                                                                             \
    } while (0)

#endif
